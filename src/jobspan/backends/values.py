"""Attribute values as JSON that keeps their types: what OTLP can say and JSON cannot gets a tag.

Bytes are ``{"$bytes": base64}``, the floats that JSON lacks ``{"$double": "nan"}``, and a map one of whose keys begins
with ``$`` is ``{"$map": {...}}``. Lists come back as tuples, as the SDK keeps them.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

_BYTES, _DOUBLE, _MAP = "$bytes", "$double", "$map"
_PLAIN, _NESTED = frozenset((str, int, bool, type(None))), frozenset((list, dict))
"""Most values are the same in JSON: the type decides, which saves a call for each."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def attributes_to_text(attributes: Mapping[str, Any]) -> str | None:
    """Return the attributes as JSON text, equal for equal attributes in any order; None when there are none."""
    return _encode(attributes_to_json(attributes)) if attributes else None


def attributes_from_text(text: str | None) -> dict[str, Any]:
    """Reverse ``attributes_to_text``."""
    return attributes_from_json(json.loads(text)) if text else {}


def list_to_text(items: list[Any]) -> str | None:
    """Return what ``to_json`` made, as text; None for an empty list."""
    return _encode(items) if items else None


def attributes_to_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes as what ``json`` can write."""
    return {key: value if type(value) in _PLAIN else to_json(value) for key, value in attributes.items()}


def attributes_from_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Reverse ``attributes_to_json``."""
    return {key: from_json(value) if type(value) in _NESTED else value for key, value in attributes.items()}


def to_json(value: Any) -> Any:
    """Return one value as what ``json`` can write, without losing its type."""
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_DOUBLE: str(value)}
    if isinstance(value, bytes):
        return {_BYTES: b64encode(value).decode()}
    if isinstance(value, Mapping):
        plain = attributes_to_json(value)
        return {_MAP: plain} if any(key.startswith("$") for key in plain) else plain
    return [to_json(item) for item in value]


def from_json(value: Any) -> Any:
    """Reverse ``to_json``."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    if _BYTES in value:
        return b64decode(value[_BYTES])
    if _DOUBLE in value:
        return float(value[_DOUBLE])
    return attributes_from_json(value.get(_MAP, value))
