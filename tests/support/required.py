"""What a test needs and the machine lacks: a skip with its reason on a laptop, a failure where it is required."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

JOBSPAN_REQUIRE = "JOBSPAN_REQUIRE"


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test; fail it when ``JOBSPAN_REQUIRE`` (comma list) is ``all`` or has ``name`` in it."""
    if is_required(name):
        pytest.fail(f"{reason} ({JOBSPAN_REQUIRE} asks for {name})", pytrace=False)
    pytest.skip(reason)


def is_required(name: str) -> bool:
    """Say whether ``JOBSPAN_REQUIRE`` names this."""
    asked = {part.strip() for part in os.environ.get(JOBSPAN_REQUIRE, "").split(",")}
    return bool(asked & {"all", name})
