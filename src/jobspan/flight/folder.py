"""The private folder where the processes of one user keep their flight files."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder inside is private, and checked to be


def default_folder() -> Path:
    """Return the folder of this user: in shared memory where there is one, else among the temporary files."""
    shared = _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    return (_SHARED_MEMORY if shared else Path(tempfile.gettempdir())) / f"jobspan-{os.getuid()}"


def private_folder(path: Path) -> Path:
    """Make the folder where it is missing, and return it.

    Raises:
        OSError: it cannot be made or written to, or it is not ours alone.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{path} is not a folder of this user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written to")
    return path
