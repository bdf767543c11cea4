"""The real Prometheus and Alertmanager with the files of ``collector-config/``, hours made seconds."""

from __future__ import annotations

import re
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from support import plain_http
from support.inbox import Inbox
from support.otelcol import CONFIG
from support.ports import LOOPBACK, free_port
from support.processes import Program
from support.required import missing
from support.waiting import wait_until

if TYPE_CHECKING:
    from typing_extensions import Self

SHORTER = {
    "1w": "25s",
    "1d": "25s",
    "1h": "10s",
    "30m": "4s",
    "15m": "6s",
    "10m": "2s",
    "5m": "2s",
    "1m": "1s",
    "30s": "1s",
    "15s": "1s",
    "> 600": "> 2",
}
"""What is put for each duration of the files, so that a test need not wait a week; nothing else is changed."""

_DURATIONS = re.compile(r"\b(?:1w|1d|1h|30m|15m|10m|5m|1m|30s|15s)\b|> 600\b")


class Prometheus:
    """Prometheus over a Collector's port, with rules and alerts; an Alertmanager that writes to an inbox.

    Args:
        folder: for their files.
        scrape_port: where the Collector gives metrics.
        inbox: where notifications go.
    """

    def __init__(self, folder: Path, scrape_port: int, inbox: Inbox) -> None:
        port, alert_port = free_port(), free_port()
        self.url, self._alert_url = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{alert_port}"
        places = {
            "127.0.0.1:9093": f"{LOOPBACK}:{alert_port}",
            "127.0.0.1:8889": f"{LOOPBACK}:{scrape_port}",
            "127.0.0.1:25": inbox.smtp_address,
            "127.0.0.1:8080": inbox.slack_address,
        }
        for name in ("prometheus/prometheus", "prometheus/recording", "prometheus/alerts", "alertmanager/alertmanager"):
            text = shortened((CONFIG / f"{name}.yaml").read_text())
            text = re.sub("|".join(rf"{here}\b" for here in places), lambda found: places[found[0]], text)
            (folder / f"{Path(name).name}.yaml").write_text(text)
        # fmt: off
        self._prometheus = Program(
            [
                binary("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=tsdb",
                f"--web.listen-address={LOOPBACK}:{port}", "--enable-feature=exemplar-storage", "--log.level=warn",
            ],
            env={}, folder=folder, name="prometheus",
        )
        self._alertmanager = Program(
            [
                binary("prometheus-alertmanager"), "--config.file=alertmanager.yaml", "--storage.path=alerts",
                f"--web.listen-address={LOOPBACK}:{alert_port}", "--cluster.listen-address=", "--log.level=warn",
            ],
            env={}, folder=folder, name="alertmanager",
        )
        # fmt: on

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series that an instant query gives."""
        answer = plain_http.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10)
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def number(self, query: str) -> float:
        """Return the one number that a query gives; 0 for none."""
        return sum(float(series["value"][1]) for series in self.ask(query))

    def exemplars(self, metric: str) -> set[str]:
        """Return the trace ids of a metric's exemplars."""
        asked = {"query": metric, "start": str(time.time() - 600), "end": str(time.time())}
        answer = plain_http.get(f"{self.url}/api/v1/query_exemplars", params=asked, timeout=10)
        answer.raise_for_status()
        return {found["labels"]["trace_id"] for series in answer.json()["data"] for found in series["exemplars"]}

    def __enter__(self) -> Self:
        for program, url in ((self._prometheus, self.url), (self._alertmanager, self._alert_url)):
            program.start()
            wait_until(partial(_is_ready, url), deadline_s=30, what=f"{program.name} is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._prometheus.stop()
        self._alertmanager.stop()


def shortened(text: str) -> str:
    """Return a file with shorter durations."""
    return _DURATIONS.sub(lambda found: SHORTER[found[0]], text)


def binary(name: str) -> str:
    """Find a program of Debian's packages prometheus and prometheus-alertmanager; skip the test without it."""
    return shutil.which(name) or missing("prometheus", f"no {name} on PATH")


def _is_ready(url: str) -> bool:
    try:
        return plain_http.get(f"{url}/-/ready", timeout=2).is_success
    except httpx.TransportError:
        return False
