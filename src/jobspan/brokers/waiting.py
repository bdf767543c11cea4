"""Since when a waiting job could have run, as its message says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from jobspan import conventions as c

_MOST_DIGITS = 15


def oldest_wait_s(since_ms: Iterable[float | None], now_ms: float) -> float | None:
    """Return the longest wait in seconds of jobs whose time has come; None where no message says it."""
    waits = [now_ms - since for since in since_ms if since is not None and since <= now_ms]
    return max(waits) / 1000 if waits else None


def dramatiq_since_ms(message: Any) -> float | None:
    """Return since when a Dramatiq message could run, Unix ms; None when it does not say.

    The time of its publish, or what it was scheduled for. Dramatiq drops the time that a delayed message was due at
    when it puts it back (2.2), so a retry without our field does not say.
    """
    decoded = _json(message)
    options = decoded.get("options")
    options = options if isinstance(options, Mapping) else {}
    carrier = options.get(c.DRAMATIQ_OPTION)
    published_ms = _published_ms(carrier.get(c.FIELD)) if isinstance(carrier, Mapping) else None
    if published_ms is not None:
        return max(published_ms, _number(options.get("requeue_timestamp")) or 0)
    return None if options.get("retries") else _number(decoded.get("message_timestamp"))


def celery_since_ms(message: Any) -> float | None:
    """Return since when a Celery message on Redis could run, Unix ms; None when it does not say.

    Celery 5.7 writes no publish time, so only the ETA and what jobspan wrote are known.
    """
    headers = _json(message).get("headers")
    if not isinstance(headers, Mapping):
        return None
    known = [since for since in (_published_ms(headers.get(c.FIELD)), eta_ms(headers)) if since is not None]
    return max(known, default=None)


def eta_ms(headers: Mapping[str, Any]) -> float | None:
    """Return a Celery message's ETA in Unix ms; None without one."""
    try:
        at = datetime.fromisoformat(str(headers["eta"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000


def _published_ms(text: object) -> float | None:
    """Return the later of publish (``t``) and due time (``e``) of the field that a publish leaves on its message."""
    if not isinstance(text, str) or not text.startswith("1;"):
        return None
    parts = dict(pair.split("=", 1) for pair in text.split(";") if "=" in pair)
    decoded = (parts.get("t", ""), parts.get("e", ""))
    return max((int(digits) for digits in decoded if digits.isdecimal() and len(digits) <= _MOST_DIGITS), default=None)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _json(text: Any) -> Mapping[str, Any]:
    # Other encoders than JSON exist, pickle among them: those messages do not say.
    try:
        decoded = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, Mapping) else {}
