"""The command line. ``main`` is the console script ``jobspan``; nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys

INTERRUPTED = 130
WRONG = 2


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run() -> int:
    from jobspan.errors import MissingExtra

    try:
        import click  # noqa: F401 - only to learn whether the extra is there
        import rich  # noqa: F401 - the same
    except ImportError as absent:
        print(f"jobspan: {MissingExtra('the jobspan command', 'cli', absent)}", file=sys.stderr)
        return WRONG
    from jobspan.cli.app import run

    return run()
