"""The keys of every ``--json`` document, from the rows that the command line promises."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobspan.cli.documents import broker_documents, rows
from jobspan.cli.documents.rows import Keys

DOCUMENTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "failed, runs": {
        "runs": ("array", "objects with RUN_KEYS, newest first"),
        "counts": ("object", "COUNT_KEYS"),
        "filter": ("object", "FILTER_KEYS"),
    },
    "failed --by": {
        "by": ("string", "what was asked for"),
        "groups": ("array", "objects with GROUP_KEYS"),
        "counts": ("object", "COUNT_KEYS"),
        "filter": ("object", "FILTER_KEYS"),
    },
    "runs --commands": {
        "commands": ("array", "objects with COMMAND_ROW_KEYS, newest first"),
        "filter": ("object", "FILTER_KEYS"),
    },
    "show, of a command": {"kind": ("string", "`command`"), "command": ("object", "COMMAND_KEYS")},
    "show, of a job": {"kind": ("string", "`job`"), "job": ("object", "JOB_KEYS")},
    "show, of a trace": {"kind": ("string", "`trace`"), "trace": ("object", "TRACE_KEYS")},
    "show, of none or several": {
        "kind": ("string", "null"),
        "matches": ("array", "objects with MATCH_KEYS: what begins with the id that was typed"),
    },
    "queues": {
        "broker": ("object", "BROKER_KEYS"),
        "queues": ("array", "objects with QUEUE_KEYS"),
        "notes": ("array", "sentences: what the broker cannot say, and why"),
    },
    "workers": {
        "broker": ("object", "BROKER_KEYS"),
        "workers": ("array", "objects with WORKER_KEYS; null: the broker cannot say"),
        "notes": ("array", "sentences: what the broker cannot say, and why"),
    },
    "health": {
        "health": ("string", "healthy, warning or critical"),
        "broker": ("object", "BROKER_KEYS"),
        "findings": ("array", "objects with FINDING_KEYS"),
        "queues": ("array", "objects with QUEUE_KEYS; null: the broker does not answer"),
        "telemetry_asked": ("boolean", "failures and run times were asked for"),
        "notes": ("array", "sentences: what the broker cannot say, and why"),
    },
    "doctor": {
        "health": ("string", "healthy, warning or critical"),
        "steps": ("array", "objects with STEP_KEYS"),
    },
}
STEP_KEYS: Mapping[str, tuple[str, str]] = {
    "grade": ("string", "healthy, warning or critical; null: not known"),
    "kind": ("string", "the step"),
    "seen": ("string", "what was seen"),
    "remedy": ("string", "what to do; null: nothing"),
}
_NAME = re.compile(r"(?:keys of )?\b([A-Z_]+_KEYS)\b")


def json_keys() -> str:
    """Return the tables of all documents, and of the rows in them."""
    documents = [f"### {_title(name)}\n\n{_table(keys)}\n" for name, keys in DOCUMENTS.items()]
    rows = [f"### {_words(name)}\n\n{_table(keys)}\n" for name, keys in _rows().items()]
    return "\n## Documents\n\n" + "\n".join(documents) + "\n## Rows\n\n" + "\n".join(rows) + "\n"


def _rows() -> dict[str, Mapping[str, tuple[str, str]]]:
    found: dict[str, Mapping[str, tuple[str, str]]] = {}
    for module in (rows, broker_documents):
        for name, keys in vars(module).items():
            if name.endswith("_KEYS") and not name.startswith("_"):
                found[name] = _described(keys)
    return {**found, "STEP_KEYS": STEP_KEYS}


def _described(keys: Keys) -> Mapping[str, tuple[str, str]]:
    return {name: (key.type, key.meaning) for name, key in keys.items()}


def _table(keys: Mapping[str, tuple[str, str]]) -> str:
    rows = "".join(f"| `{name}` | {type_} | {_linked(meaning)} |\n" for name, (type_, meaning) in keys.items())
    return f"| key | type | meaning |\n| --- | --- | --- |\n{rows}"


def _linked(meaning: str) -> str:
    """Lead from the name of a row's keys to its table."""
    said = meaning.replace("objects with the keys of ", "objects, see ").replace("objects with ", "objects, see ")
    return _NAME.sub(lambda found: f"[{_words(found[1])}](#{_slug(found[1])})", said)


def _title(name: str) -> str:
    command, comma, of = name.partition(", of")
    return " and ".join(f"`jobspan {part}`" for part in command.split(", ")) + comma + of


def _words(name: str) -> str:
    return name.removesuffix("_KEYS").lower().replace("_", " ")


def _slug(name: str) -> str:
    return _words(name).replace(" ", "-")
