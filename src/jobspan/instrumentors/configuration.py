"""What a declarative configuration file (``OTEL_CONFIG_FILE``) sets for an instrumentor, and whether it disables it."""

from __future__ import annotations

import logging
import os
from dataclasses import MISSING, field, fields, make_dataclass
from functools import lru_cache
from typing import Any

from jobspan.settings import Settings

_logger = logging.getLogger("jobspan.configuration")


class Configuration:
    """An attribute of a class: the settings by their names, as a dataclass, made when a file is read.

    None: not set; values are read as those of ``instrument()`` are.
    """

    def __get__(self, _: object, owner: type) -> type:
        return _made()


def is_disabled_by_file(entry_point: str) -> bool:
    """Say whether the file has ``enabled: false`` under an entry point.

    The SDK's configurator obeys it, but ``opentelemetry-instrument`` then loads every instrumentor all the same
    (opentelemetry-configuration 0.66b2).
    """
    path = os.environ.get("OTEL_CONFIG_FILE")
    return bool(path) and entry_point in _disabled(str(path))


@lru_cache(maxsize=1)
def _made() -> type:
    names = [setting.name for setting in fields(Settings) if setting.default is not MISSING]
    return make_dataclass("Configuration", [(name, Any, field(default=None)) for name in names], frozen=True)


@lru_cache(maxsize=8)
def _disabled(path: str) -> frozenset[str]:
    try:
        from opentelemetry.configuration import load_config_file

        section: Any = getattr(load_config_file(path), "instrumentation_development", None)
        sections = dict(getattr(section, "python", None) or {})
    except Exception as error:  # noqa: BLE001 - a file that the SDK cannot read is the SDK's to report
        _logger.debug("%s could not be read: %r", path, error)
        return frozenset()
    return frozenset(name for name, given in sections.items() if (given or {}).get("enabled") is False)
