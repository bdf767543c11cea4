"""The Grafana dashboards of ``collector-config/grafana``, made of the names in ``conventions.py``.

``python docs/generate/dashboards.py`` writes them. They stand on what ``collector-config/to-prometheus.yaml`` gives and
on the recording rules beside it. Data sources are chosen in Grafana; exemplars lead to the trace in Tempo and Jaeger
(``datasources.yaml``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobspan import conventions as c

FOLDER = Path(__file__).parents[2] / "collector-config" / "grafana"
_UNITS = {"s": "_seconds", "By": "_bytes"}
_METRICS = {row.name: row for row in c.METRICS}
_WIDTH, _HEIGHT = 12, 8


def label(attribute: str) -> str:
    """Return how Prometheus spells an attribute."""
    return attribute.replace(".", "_")


def series(metric: str) -> str:
    """Return how Prometheus spells a metric, its unit included."""
    return label(metric) + _UNITS.get(_METRICS[metric].unit, "")


JOB, QUEUE, OUTCOME, ERROR = map(
    label, (c.JOBSPAN_JOB_NAME, c.MESSAGING_DESTINATION_NAME, c.JOBSPAN_JOB_OUTCOME, c.ERROR_TYPE)
)
COMMAND = label(c.JOBSPAN_COMMAND_NAME)
CALLS = "traces_span_metrics_calls_total"
ENDED, FAILED, DURATION = "queue_jobs_total", "queue_jobs_failed_total", "queue_jobs_processing_duration_seconds"
COMMANDS = f'{CALLS}{{span_kind="SPAN_KIND_INTERNAL", {label(c.PROCESS_EXIT_CODE)}!="", {COMMAND}=~"$command"}}'
OF_COMMAND = f'span_kind="SPAN_KIND_CONSUMER", {COMMAND}=~"$command"'
PUBLISHED = f'{CALLS}{{span_kind="SPAN_KIND_PRODUCER", {QUEUE}=~"$queue"}}'
OF_QUEUE, OF_JOB = f'{{{QUEUE}=~"$queue"}}', f'{{{JOB}=~"$job"}}'
# Histograms that to-prometheus.yaml makes of the attributes of run spans.
QUEUED, PREFETCHED = (f"{label(name)}_seconds" for name in (c.JOBSPAN_JOB_WAIT_QUEUED, c.JOBSPAN_JOB_WAIT_PREFETCHED))
PEAK, CPU = series(c.METRIC_JOB_MEMORY_PEAK), series(c.METRIC_JOB_CPU_TIME)


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: a title, its unit, and a query for each line with the line's name."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def rate(counter: str, *by: str) -> str:
    """Return a counter's rate, by labels."""
    return f"sum by ({', '.join(by)}) (rate({counter}[$__rate_interval]))"


def quantile(part: float, histogram: str, where: str, *by: str) -> str:
    """Return a quantile of a histogram, by labels."""
    return f"histogram_quantile({part}, {rate(f'{histogram}_bucket{where}', 'le', *by)})"


def panel(title: str, unit: str, *queries: str, name: str) -> Panel:
    """Return a panel whose lines have names of one shape."""
    return Panel(title, unit, tuple((query, name) for query in queries))


JOBS, QUEUES = f"{{{{{JOB}}}}}", f"{{{{{QUEUE}}}}}"
BOARDS: dict[str, tuple[tuple[str, ...], tuple[Panel, ...]]] = {
    "overview": (
        (),
        (
            panel("Runs ended", "ops", rate(ENDED, OUTCOME), name=f"{{{{{OUTCOME}}}}}"),
            panel("Runs failed", "ops", rate(FAILED, JOB), name=JOBS),
            panel("Health (2 is critical)", "none", "queue_health_status", name=QUEUES),
            panel("Jobs waiting", "none", "queue_jobs_waiting", name=QUEUES),
            panel("Jobs running", "none", "queue_jobs_processing", name=JOBS),
            panel("Workers", "none", "queue_workers_active", name=QUEUES),
        ),
    ),
    "queue": (
        ("queue",),
        (
            panel(
                "Jobs by state",
                "none",
                f"{series(c.METRIC_QUEUE_DEPTH)}{OF_QUEUE}",
                name=f"{QUEUES} {{{{{label(c.JOBSPAN_QUEUE_STATE)}}}}}",
            ),
            panel("Oldest job", "s", f"{series(c.METRIC_QUEUE_OLDEST_AGE)}{OF_QUEUE}", name=QUEUES),
            panel("Published", "ops", rate(PUBLISHED, QUEUE), name=QUEUES),
            panel("Done", "ops", rate(f"{ENDED}{OF_QUEUE}", QUEUE), name=QUEUES),
            panel("Wait in the broker, 95 %", "s", quantile(0.95, QUEUED, OF_QUEUE, QUEUE), name=QUEUES),
            panel("Wait in the worker, 95 %", "s", quantile(0.95, PREFETCHED, OF_QUEUE, QUEUE), name=QUEUES),
        ),
    ),
    "job": (
        ("job",),
        (
            panel("Runs by outcome", "ops", rate(f"{ENDED}{OF_JOB}", OUTCOME), name=f"{{{{{OUTCOME}}}}}"),
            panel("Failed by error", "ops", rate(f"{FAILED}{OF_JOB}", ERROR), name=f"{{{{{ERROR}}}}}"),
            panel("Run time, half of them", "s", quantile(0.5, DURATION, OF_JOB, JOB), name=JOBS),
            # Straight from the spans: exemplars do not pass recording rules.
            panel(
                "Run time, 95 %, with traces",
                "s",
                quantile(
                    0.95,
                    "traces_span_metrics_duration_seconds",
                    f'{{span_kind="SPAN_KIND_CONSUMER", {JOB}=~"$job"}}',
                    JOB,
                ),
                name=JOBS,
            ),
            panel("CPU of a run, 95 %", "s", quantile(0.95, CPU, OF_JOB, JOB), name=JOBS),
            panel("Wait in the broker, 95 %", "s", quantile(0.95, QUEUED, OF_JOB, JOB), name=JOBS),
        ),
    ),
    "command": (
        ("command",),
        (
            panel(
                "Commands by exit code",
                "ops",
                rate(COMMANDS, COMMAND, label(c.PROCESS_EXIT_CODE)),
                name=f"{{{{{COMMAND}}}}}: {{{{{label(c.PROCESS_EXIT_CODE)}}}}}",
            ),
            panel("Runs that it caused", "ops", rate(f"{CALLS}{{{OF_COMMAND}}}", COMMAND, JOB), name=JOBS),
            panel(
                "Runs with an error that it caused",
                "ops",
                rate(f'{CALLS}{{{OF_COMMAND}, status_code="STATUS_CODE_ERROR"}}', COMMAND, JOB),
                name=JOBS,
            ),
        ),
    ),
    "worker-memory": (
        ("job",),
        (
            panel("Peak of a run, 95 %", "bytes", quantile(0.95, PEAK, OF_JOB, JOB), name=JOBS),
            panel("Peak of a run, the highest", "bytes", quantile(1, PEAK, OF_JOB, JOB), name=JOBS),
            panel(
                "Peak of a run, mean",
                "bytes",
                f"{rate(f'{PEAK}_sum{OF_JOB}', JOB)} / {rate(f'{PEAK}_count{OF_JOB}', JOB)}",
                name=JOBS,
            ),
            panel("Runs open", "none", f"sum by ({JOB}) ({series(c.METRIC_JOB_ACTIVE)}{OF_JOB})", name=JOBS),
        ),
    ),
}
_VARIABLES = {
    "queue": f"label_values(queue_jobs_waiting, {QUEUE})",
    "job": f"label_values({ENDED}, {JOB})",
    "command": f"label_values({CALLS}, {COMMAND})",
}


def dashboard(name: str) -> dict[str, Any]:
    """Return a dashboard as Grafana imports it."""
    variables, panels = BOARDS[name]
    return {
        "uid": f"jobspan-{name}",
        "title": f"Jobs: {name.replace('-', ' ')}",
        "tags": [c.SCOPE],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "links": [{"type": "dashboards", "title": "Jobs", "tags": [c.SCOPE], "keepTime": True, "includeVars": True}],
        "templating": {"list": [_source(), *map(_variable, variables)]},
        "panels": [_panel(number, drawn) for number, drawn in enumerate(panels)],
    }


def queries() -> Sequence[str]:
    """Return every query of all dashboards."""
    return [query for _, panels in BOARDS.values() for drawn in panels for query, _ in drawn.queries]


def text(name: str) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard(name), indent=1) + "\n"


def _source() -> dict[str, Any]:
    return {"name": "prometheus", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${prometheus}"},
        "query": _VARIABLES[name],
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, drawn: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${prometheus}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": drawn.title,
        "datasource": source,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT},
        "fieldConfig": {"defaults": {"unit": drawn.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + at), "datasource": source, "expr": query, "legendFormat": name, "exemplar": True}
            for at, (query, name) in enumerate(drawn.queries)
        ],
    }


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(text(name))


if __name__ == "__main__":
    main()
