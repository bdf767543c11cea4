"""The body of an HTTP request, decompressed within a bound, and OTLP's JSON as its protobuf message."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from jobspan.errors import MalformedData
from jobspan.server.receive.decoding import REQUESTS
from jobspan.server.receive.ingest import MAX_REQUEST_BYTES

ENCODINGS = ("identity", "gzip", "deflate")
_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class TooLarge(MalformedData):
    """More bytes than a request may have."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str) -> bytes:
    """Return the whole body.

    Args:
        chunks: as they arrive.
        encoding: one of ``ENCODINGS``.

    Raises:
        TooLarge: over the bound, before more than that was decompressed.
        MalformedData: it is not compressed as it says.
    """
    body = bytearray()
    expand = _Expansion(encoding)
    async for chunk in chunks:
        body += expand.more(chunk, MAX_REQUEST_BYTES - len(body))
        if len(body) > MAX_REQUEST_BYTES:
            raise TooLarge(f"the body has more than {MAX_REQUEST_BYTES} bytes; send smaller batches")
    expand.finish()
    return bytes(body)


class _Expansion:
    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._expander = zlib.decompressobj(_WINDOW[encoding]) if encoding in _WINDOW else None

    def more(self, chunk: bytes, room: int) -> bytes:
        """Return what a chunk says, cut one byte after ``room``."""
        if self._expander is None:
            return chunk[: room + 1]
        try:
            return self._expander.decompress(chunk, room + 1)
        except zlib.error as error:
            raise MalformedData(f"the body is not compressed with {self._encoding} as it says: {error}") from error

    def finish(self) -> None:
        """Make sure that it ended where it should."""
        if self._expander is not None and not self._expander.eof:
            raise MalformedData(f"the body ends in the middle of its {self._encoding} stream")


def parse_json(signal: str, body: bytes) -> Message:
    """Read OTLP's JSON: its ids are hex where protobuf's JSON has base64, and its enums are numbers.

    Raises:
        MalformedData: it is none.
    """
    request = REQUESTS[signal]()
    try:
        ParseDict(_object(json.loads(body)), request, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, RecursionError, SystemError) as error:
        # SystemError: protobuf looks up a name with a lone surrogate in it.
        raise MalformedData(f"the body is no JSON {request.DESCRIPTOR.name}: {error}") from error
    return request


def _object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        # An empty list would pass for one.
        raise TypeError(f"expected an object, not {type(content).__name__}")
    return {key: _with_base64_ids(value) for key, value in content.items()}


_IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def _with_base64_ids(content: Any) -> Any:
    if isinstance(content, list):
        return [_with_base64_ids(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {key: _base64(value) if key in _IDS else _with_base64_ids(value) for key, value in content.items()}


def _base64(hex_text: Any) -> str:
    return b64encode(bytes.fromhex(hex_text)).decode()
