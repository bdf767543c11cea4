"""Take secrets out of texts that leave the process, by pattern.

Covers credentials in URLs, ``key=value`` and ``key: value`` pairs whose key names a secret, authorization and cookie
headers, JSON web tokens, the tokens of well-known services, cloud access keys and private key blocks. A pattern cannot
know every secret: what must not leave at all is not recorded (``OTEL_PYTHON_JOBSPAN_EXCEPTION_MESSAGE=false``).

Characters that UTF-8 cannot carry (halves of surrogate pairs, as in undecodable file names) are escaped: an exporter
that meets one loses its whole batch.

Every pattern begins at a fixed word or reads a bounded number of characters from where it may begin, so that the time
is in proportion to the text, whatever it says.
"""

from __future__ import annotations

import re
from functools import lru_cache

from jobspan.named_tuple import NamedTuple

MASK = "[redacted]"

_SENSITIVE = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|account[-_]?key|credential|session[-_]?id|auth[-_]?(?:key|header)|x-amz-signature|\b(?:pass|pw|sig)\b"
)
# A quoted value to its closing quote, escapes included; else one word; of a passphrase all words of the line.
_QUOTED = r"\\?[bru]?'(?:[^'\\\n]|\\.){0,4096}'|\\?[bru]?\"(?:[^\"\\\n]|\\.){0,4096}\""
# JSON inside of a text has its quotes escaped.
_ESCAPED = r"\\{1,3}'[^'\\\n]{0,4096}\\{1,3}'|\\{1,3}\"[^\"\\\n]{0,4096}\\{1,3}\""
_WORD = r"[^\s'\",;&)}\]]{1,4096}"


class _Pattern(NamedTuple):
    """A regular expression, compiled when the first text comes: most short commands have none."""

    text: str
    flags: int = 0


_RULES: tuple[tuple[_Pattern, str], ...] = (
    (
        _Pattern(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    # From "://" to the last "@" before a space or a quote: a password may hold slashes, colons and at-signs.
    (_Pattern(r"(://)[^\s'\"<>]{1,512}@"), rf"\1{MASK}@"),
    (
        _Pattern(r"\b((?:proxy-)?authorization['\"]?\s{0,4}[:=]\s{0,4}['\"]?)[^'\"\r\n,;]{1,4096}", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (_Pattern(r"\b((?:set-)?cookie['\"]?\s{0,4}[:=]\s{0,4}['\"]?)[^'\"\r\n]{1,4096}", re.IGNORECASE), rf"\1{MASK}"),
    (_Pattern(r"\b(bearer|basic)\s{1,4}[A-Za-z0-9+/._~=-]{8,4096}", re.IGNORECASE), rf"\1 {MASK}"),
    (_Pattern(r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{1,4096}(?:\.[A-Za-z0-9_-]{0,4096})?"), MASK),
    (_Pattern(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    (_Pattern(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abposr]-|[rs]k_(?:live|test)_)[A-Za-z0-9_-]{8,255}"), MASK),
    (
        _Pattern(
            r"(passphrase['\"]?\s{0,4}(?:=>|[:=])\s{0,4})(?!\[redacted\])" + rf"(?:{_QUOTED}|[^\r\n,;'\"]{{1,4096}})",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (
        _Pattern(
            rf"((?:{_SENSITIVE})[\w-]{{0,40}}(?:\\{{0,3}}['\"])?\s{{0,4}}(?:=>|[:=])\s{{0,4}})(?!\[redacted\])"
            rf"(?:{_ESCAPED}|{_QUOTED}|{_WORD})",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def redact(text: str) -> str:
    """Return the text with whatever looks like a secret replaced by ``[redacted]``; it can be encoded."""
    for pattern, replacement in _rules():
        text = pattern.sub(replacement, text)
    return encodable(text)


def encodable(text: str) -> str:
    """Return the text with what UTF-8 cannot carry escaped: ``\\udcff``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_sensitive(key: str) -> bool:
    """Say whether a key or the name of a parameter is that of a secret."""
    return _key().search(key) is not None or key.lower() in ("authorization", "cookie")


@lru_cache(maxsize=1)
def _rules() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(*pattern), replacement) for pattern, replacement in _RULES]


@lru_cache(maxsize=1)
def _key() -> re.Pattern[str]:
    return re.compile(_SENSITIVE, re.IGNORECASE)
