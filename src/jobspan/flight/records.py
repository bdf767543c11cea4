"""What a record holds: a span as plain values, and behind it what the span has become at its end."""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Callable
from typing import Any

from jobspan.named_tuple import NamedTuple

# The last version without back references: what every Python reads, and the fastest to write.
FORMAT = 2
_FAST = 1
_COMPRESSED = b"x"
"""With which zlib begins, and a record never does."""
_MOST_ITEMS = 20


Plain = tuple[Any, ...]
"""The values of one of the classes below, in their order: what is written needs no names."""


class SpanRecord(NamedTuple):
    """A span in plain values.

    ``parent`` and the first value of each link are ``(trace_id, span_id, flags, tracestate, is_remote)``; links and
    events end with their attributes; ``status`` is the code's number and the description. ``end_ns`` is None while it
    is open. ``more`` are attributes of an open run that are reported at its end, and ``is_safe`` says that the broker
    delivers its job again.
    """

    trace_id: int
    span_id: int
    trace_state: str
    parent: tuple[int, int, int, str, bool] | None
    name: str
    kind: int
    start_ns: int
    attributes: dict[str, Any]
    links: list[tuple[tuple[int, int, int, str, bool], dict[str, Any]]]
    end_ns: int | None = None
    status: tuple[int, str | None] = (0, None)
    events: tuple[tuple[str, int, dict[str, Any]], ...] = ()
    more: dict[str, Any] | None = None
    is_safe: bool = False

    def ended(self, ending: Ending) -> SpanRecord:
        """Return the span as it has become."""
        become = {name: value for name, value in ending._asdict().items() if value is not None}
        become["attributes"] = self.attributes | ending.attributes
        return self._replace(**become, more=None, is_safe=False)


class Ending(NamedTuple):
    """What a span has become at its end: the attributes that it had not before, and what else is not as before."""

    end_ns: int
    attributes: dict[str, Any]
    name: str | None = None
    status: tuple[int, str | None] | None = None
    events: tuple[tuple[str, int, dict[str, Any]], ...] | None = None
    links: list[tuple[tuple[int, int, int, str, bool], dict[str, Any]]] | None = None


def encode(plain: Plain) -> bytes:
    """Put a record or an ending into bytes; what is not plain in it becomes its text."""
    return marshal.dumps(_plain(plain), FORMAT)


def compress(data: bytes) -> bytes:
    """Make an encoded record short.

    The stack of a job that failed makes it long, and there is room for few long ones.
    """
    return zlib.compress(data, _FAST)


def encode_mapping(attributes: dict[str, Any]) -> bytes:
    """Put the attributes of a resource into bytes."""
    return marshal.dumps(_plain(attributes), FORMAT)


def decode(data: bytes) -> SpanRecord | None:
    """Read a record; None when it is none."""
    try:
        plain = zlib.decompress(data) if data.startswith(_COMPRESSED) else data
        return SpanRecord(*marshal.loads(plain))  # noqa: S302 - our own file in a folder of our own, checksum verified
    except (ValueError, TypeError, EOFError, zlib.error):
        return None


def decode_ending(data: bytes) -> Ending | None:
    """Read what a span has become; None when it makes no sense."""
    try:
        return Ending(*marshal.loads(data))  # noqa: S302 - a file of this user's alone
    except (ValueError, TypeError, EOFError):
        return None


def decode_mapping(data: bytes) -> dict[str, Any]:
    """Read the attributes of a resource; none when there are none, or they make no sense."""
    try:
        found = marshal.loads(data)  # noqa: S302 - a file of this user's alone
    except (ValueError, TypeError, EOFError):
        return {}
    return found if isinstance(found, dict) else {}


def cut(record: SpanRecord, longest: int) -> SpanRecord:
    """Shorten the texts of a record that does not fit to so many characters; ids are never cut."""
    return record._replace(
        name=record.name[:longest],
        attributes=_cut(record.attributes, longest),
        events=tuple((name, at_ns, _cut(attributes, longest)) for name, at_ns, attributes in record.events),
        status=(record.status[0], record.status[1] and record.status[1][:longest]),
    )


def _cut(attributes: dict[str, Any], longest: int) -> dict[str, Any]:
    return {name: value if name.endswith(".id") else _shorter(value, longest) for name, value in attributes.items()}


def _shorter(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value[-longest:]  # the end of a stack is where it happened
    if isinstance(value, (tuple, list)):
        return [_shorter(item, longest) for item in value[:_MOST_ITEMS]]
    return value


def _plain(value: Any) -> Any:
    for kinds, rebuilt in _PLAIN:
        if isinstance(value, kinds):
            return rebuilt(value)
    return str(value)


_PLAIN: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (dict, lambda value: {str(k): _plain(v) for k, v in value.items()}),
    (list, lambda value: list(map(_plain, value))),
    (tuple, lambda value: tuple(map(_plain, value))),
    (bool, bool),
    (int, int),
    (float, float),
    (bytes, bytes),
    (type(None), lambda _: None),
)
