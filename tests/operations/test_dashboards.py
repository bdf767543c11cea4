"""The dashboards are those that the code's names make, and each of their queries finds something after some work."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations.night import DEADLINE_S, Night
from support.waiting import wait_until

DASHBOARDS = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "generate" / "dashboards.py"))
_VARIABLES = re.compile(r"\$(?:queue|job|command)\b")


@pytest.mark.parametrize("name", DASHBOARDS["BOARDS"])
def test_the_committed_dashboard_is_the_one_that_is_generated(name: str) -> None:
    committed = (DASHBOARDS["FOLDER"] / f"{name}.json").read_text()
    assert committed == DASHBOARDS["text"](name), "run: nox -s generate"


@pytest.mark.parametrize("name", DASHBOARDS["BOARDS"])
def test_grafana_knows_all_that_a_dashboard_says(name: str) -> None:
    board = json.loads((DASHBOARDS["FOLDER"] / f"{name}.json").read_text())
    assert unknown_to_grafana(board) == []
    board["panels"][0]["fieldConfig"]["defaults"]["unti"] = "s"
    assert unknown_to_grafana({**board, "titel": name}) == ["/panels[0]/fieldConfig/defaults/unti", "/titel"]


def unknown_to_grafana(board: dict[str, Any]) -> list[str]:
    """Return what is not there any more when Grafana's own model of a dashboard has read and written it."""
    dashboard = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    read = dashboard.Dashboard.from_json(board)
    return sorted(lost(board, json.loads(encoder.JSONEncoder().encode(read))))


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the places of one document whose content another does not have."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after.get(key), f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif before != after:
        yield path


def test_every_query_finds_something_and_an_exemplar_leads_to_a_trace(night: Night) -> None:
    night.stage.celery(app="apps.operations_app", concurrency=2, args=["--prefetch-multiplier", "2"])
    night.stage.dramatiq()
    jobs = ("ok", "fail", "slow=0.3", "slow=0.3", "dramatiq:ok", "dramatiq:fail")
    empty = set(DASHBOARDS["queries"]())

    def all_found() -> bool:
        night.put(*jobs)
        empty.difference_update([query for query in empty if night.prometheus.ask(filled_in(query))])
        return not empty

    try:
        wait_until(all_found, deadline_s=DEADLINE_S, what="all queries find something")
    except TimeoutError:
        assert empty == set()
    exemplars = night.prometheus.exemplars("traces_span_metrics_duration_seconds_bucket")
    traces = {span.trace_id for span in night.stage.collector.spans}
    assert exemplars
    assert exemplars <= traces


def filled_in(query: str) -> str:
    """Return a query as Grafana asks it, all variables at "All"."""
    return _VARIABLES.sub(".*", query.replace("$__rate_interval", "10s"))
