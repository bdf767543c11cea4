"""The private folder where the processes of one user keep their flight files."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder inside is private, and checked to be
_WHERE_SPANS_GO = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_TRACES_EXPORTER",
    "OTEL_CONFIG_FILE",
)


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user's processes that send their spans to the same place.

    In shared memory where there is one, else among the temporary files. What a dead process left is recovered by the
    next, and goes where that one sends its spans: so no other application's records are in it. Where the environment
    does not say where spans go, the program itself does, and its folder is named by the interpreter's installation.
    """
    shared = _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    target = [environ.get(name, "") for name in _WHERE_SPANS_GO]
    key = blake2b("\0".join(target if any(target) else [sys.prefix]).encode(), digest_size=8).hexdigest()
    return (_SHARED_MEMORY if shared else Path(tempfile.gettempdir())) / f"jobspan-{os.getuid()}-{key}"


def private_place(path: Path) -> Path:
    """Return the folder that is asked for; where others may look into it, one of this user's in it.

    A volume is often shared, and jobspan does not change the mode of a folder that it has not made.
    """
    with suppress(OSError):
        found = path.lstat().st_mode
        if stat.S_ISDIR(found) and stat.S_IMODE(found) & 0o077:
            return path / f"jobspan-{os.getuid()}"
    return path


def private_folder(path: Path) -> Path:
    """Make the folder, or the private one in it, where it is missing, and return it.

    Raises:
        OSError: it cannot be made or written to, or others can use it.
    """
    path = private_place(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{path} is not a folder of this user alone")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written to")
    return path
