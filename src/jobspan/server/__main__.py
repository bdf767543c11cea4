"""``python -m jobspan.server``: the receiver without the command line's extra packages."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jobspan.backends.store.address import default_store
from jobspan.errors import JobspanError
from jobspan.reading_settings import load_reading
from jobspan.server import GRPC_PORT, HTTP_PORT, LOOPBACK, Serving, serve

_WRONG_USE = 2


def main() -> int:
    """Serve as the options say; return the exit code."""
    options = _options()
    try:
        serve(
            options.store or default_store(),
            options.host,
            options.grpc_port,
            options.http_port,
            _say,
            keep=options.keep,
            max_size=options.max_size,
        )
    except JobspanError as error:
        print(error, file=sys.stderr)
        return _WRONG_USE
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m jobspan.server", description="Receive OTLP into one DuckDB file.")
    parser.add_argument("--store", type=Path, help="the file; default: jobspan.duckdb in the user's data folder")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    parser.add_argument("--grpc-port", type=int, default=GRPC_PORT, help="0: any free port (default: %(default)s)")
    parser.add_argument("--http-port", type=int, default=HTTP_PORT, help="0: any free port (default: %(default)s)")
    settings = load_reading()
    parser.add_argument("--keep", default=settings.keep, help="such as 14d, or off (default: %(default)s)")
    parser.add_argument("--max-size", default=settings.max_size, help="such as 5GB, or off (default: %(default)s)")
    return parser.parse_args()


def _say(serving: Serving) -> None:
    print(f"OTLP gRPC {serving.grpc} · HTTP {serving.http_url} · store {serving.store}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
