"""The Go programs that tests start: each folder of ``tools/``, built once for its pinned modules and kept in a cache.

Run it to build what is missing: ``python3 tests/support/go_programs.py [NAME ...]``. A folder is a Go module with one
``tool`` line (the tool is the program), with a ``builder.yaml`` (the tool is OpenTelemetry's builder, and makes the
program ``_build/NAME`` from it), or with a ``main.go``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"
_LINKED_SMALL = ("-trimpath", "-ldflags=-s -w")


def names() -> list[str]:
    """Return the programs that can be built."""
    return sorted(module.parent.name for module in TOOLS.glob("*/go.mod"))


def program_path(name: str) -> Path:
    """Return where the program is when it is built: another place for other versions."""
    pinned = hashlib.sha256()
    for file in sorted(path for path in (TOOLS / name).iterdir() if path.is_file()):
        pinned.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "jobspan" / "go" / f"{name}-{pinned.hexdigest()[:16]}"


def build(name: str) -> Path:
    """Build a program unless it is there; who asks for the same meanwhile waits.

    Raises:
        OSError: no Go on this machine.
        subprocess.CalledProcessError: it does not build; Go has said why.
    """
    program = program_path(name)
    program.parent.mkdir(parents=True, exist_ok=True)
    with program.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=program.parent) as folder:
                _compile(name, Path(folder) / name).replace(program)
    return program


def _compile(name: str, module: Path) -> Path:
    """Build in a copy, so that nothing is written into the tree."""
    shutil.copytree(TOOLS / name, module)
    output = module / "_build" / name
    if (module / "builder.yaml").exists():
        _go(module, "tool", "builder", "--config", "builder.yaml")
    else:
        _go(module, "build", *_LINKED_SMALL, "-o", str(output), "." if (module / "main.go").exists() else "tool")
    return output


def _go(folder: Path, *args: str) -> None:
    subprocess.run(["go", *args], cwd=folder, env=os.environ | {"CGO_ENABLED": "0"}, stdout=sys.stderr, check=True)


def main(wanted: Sequence[str]) -> int:
    """Build these, or all; say where each is. Exit code 1 when one is missing afterwards."""
    failed = False
    for name in wanted or names():
        began = time.monotonic()
        try:
            print(f"{name}: {build(name)} ({time.monotonic() - began:.0f} s)", flush=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: not built: {error}", file=sys.stderr, flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
