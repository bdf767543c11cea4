"""``jobspan serve``: receive telemetry and keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobspan.cli.environment import Environment
from jobspan.cli.options import debug_option
from jobspan.cli.terminal.sanitize import sanitize_line
from jobspan.reading_settings import load_reading

if TYPE_CHECKING:
    from jobspan.server import Serving

_PORT = click.IntRange(0, 65535)


@click.command("serve")
@click.option("--store", metavar="PATH", help="Keep spans in this file.  [env: JOBSPAN_STORE]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen here; there is no login.")
@click.option("--grpc-port", type=_PORT, default=4317, show_default=True, help="OTLP over gRPC; 0: any free.")
@click.option("--http-port", type=_PORT, default=4318, show_default=True, help="OTLP over HTTP; 0: any free.")
@click.option("--keep", metavar="TIME", help="Keep spans so long: 14d, 36h, off.  [env: JOBSPAN_KEEP; 14d]")
@click.option(
    "--max-size", metavar="SIZE", help="The oldest spans are deleted above it: 5GB, off.  [env: JOBSPAN_MAX_SIZE; 10GB]"
)
@debug_option
@click.pass_context
def command(
    context: click.Context,
    /,
    store: str | None,
    host: str,
    grpc_port: int,
    http_port: int,
    keep: str | None,
    max_size: str | None,
) -> int:
    """Receive telemetry over OTLP and keep it for jobspan failed, runs and show; until Ctrl-C."""
    from jobspan.backends.store.address import default_store
    from jobspan.server import serve

    settings = load_reading(context.ensure_object(Environment).environ)
    given = store or settings.store
    path = Path(given).expanduser() if given else default_store()
    serve(
        path,
        host,
        grpc_port,
        http_port,
        lambda serving: _say_ready(serving, where=f" --store {store}" if store else ""),
        keep=keep or settings.keep,
        max_size=max_size or settings.max_size,
    )
    return 0


def _say_ready(serving: Serving, where: str) -> None:
    click.echo(f"""\
Receiving into {sanitize_line(serving.store)}
  OTLP over gRPC  {serving.grpc}
  OTLP over HTTP  {serving.http_url}
In the environment of your commands and workers, one of:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://{serving.grpc}
  OTEL_EXPORTER_OTLP_ENDPOINT={serving.http_url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
Next: jobspan runs{sanitize_line(where)} (in another terminal) · Ctrl-C stops this.""")
