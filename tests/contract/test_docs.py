"""The documentation says what the code does: its tables are the code's, and what it names is there."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobspan import conventions as c
from jobspan import settings
from jobspan.cli import INTERRUPTED, WRONG
from jobspan.cli.app import jobspan
from jobspan.cli.environment import Environment
from unit.analysis.story import COMMAND, TRACE
from unit.cli.sample import NOW, night, running
from unit.cli.twin import Twin
from unit.health.twin_broker import TwinBroker

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "jobspan"
TABLES: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "generate" / "tables.py"))
JSON_KEYS: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "generate" / "json_keys.py"))
COMMAND_LINE: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "generate" / "command_line.py"))
LINKS: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "generate" / "links.py"))

PAGES: dict[str, str] = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in TABLES["pages"]()}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ALL = "\n".join(PAGES.values())
_TYPES = {"array": list, "object": dict, "string": str, "boolean": bool}
_PATH = re.compile(r"\b(?:src|tests|docs|collector-config|examples|tools)/[\w./-]*\w")


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_those_of_the_code(page: str) -> None:
    assert TABLES["with_tables"](PAGES[page]) == PAGES[page], "nox -s generate writes them"


def test_every_table_has_one_place() -> None:
    assert sorted(TABLES["names_in"](ALL)) == sorted(TABLES["TABLES"])


@pytest.mark.parametrize(
    "name",
    [
        c.EVENT_PROCESS_EXCEPTION,
        c.EVENT_SEND_EXCEPTION,
        c.EVENT_JOB_STARTED,
        c.EVENT_COMMAND_STARTED,
        c.JOBSPAN_LINK_TYPE,
        c.LINK_PUBLISH,
        c.LINK_PREVIOUS_ATTEMPT,
        c.LINK_MEMBER,
        c.LINK_LOST_RUN,
        c.LINK_AMBIENT,
        c.FIELD,
        c.DRAMATIQ_OPTION,
    ],
)
def test_the_documentation_names_what_no_table_holds(name: str) -> None:
    assert re.search(rf"`{re.escape(name)}[`=]", ALL)


@pytest.mark.parametrize("name", [row.name for row in (*c.ATTRIBUTES, *c.METRICS)])
def test_every_attribute_and_metric_is_in_a_table(name: str) -> None:
    assert f"| `{name}` |" in ALL


def test_every_setting_is_in_a_table_and_no_other_is_named() -> None:
    known = {name for name in vars(settings) if re.fullmatch(r"(OTEL|JOBSPAN)_[A-Z_]+", name)}
    assert {name for name in known if f"| `{name}` |" not in ALL} == set()
    named = set(re.findall(r"\b(?:OTEL_PYTHON_JOBSPAN|JOBSPAN)_[A-Z_]+\b", ALL))
    assert named - known == set()


def test_every_name_of_jobspan_that_is_mentioned_is_one_that_it_emits() -> None:
    known = {value for value in vars(c).values() if isinstance(value, str)}
    mentioned = set(re.findall(r"`(jobspan\.(?:job|command|link|queue|telemetry)\.[\w.]+)", ALL))
    assert {name.rstrip(".") for name in mentioned} - known == set()


@pytest.mark.parametrize("name", COMMAND_LINE["COMMANDS"])
def test_every_command_and_option_has_its_place(name: str) -> None:
    described = PAGES["docs/reference/command-line.md"].partition(f"## jobspan {name}\n")[2].partition("\n## ")[0]
    options = {option for each in COMMAND_LINE["commands"]()[name].params for option in each.opts if option[0] == "-"}
    assert {option for option in options if f"`{option}" not in described} == set()
    guide = "\n".join(text for page, text in PAGES.items() if not page.startswith("docs/reference/"))
    assert f"jobspan {name}" in guide


def test_the_exit_codes_are_those_of_the_code() -> None:
    page = PAGES["docs/reference/exit-codes.md"]
    assert f"{WRONG} when it is used wrongly" in page
    assert f"{INTERRUPTED} when Ctrl-C ends it" in page


LINES = {
    "failed, runs": ("failed",),
    "failed --by": ("failed", "--by", "error"),
    "runs --commands": ("runs", "--commands"),
    "show, of a command": ("show", COMMAND),
    "show, of a job": ("show", "030f5e0a-1111-4222-8333-00000000000f"),
    "show, of a trace": ("show", TRACE),
    "show, of none or several": ("show", "ffff"),
    "queues": ("queues",),
    "workers": ("workers",),
    "health": ("health",),
    "doctor": ("doctor",),
}


@pytest.mark.parametrize("name", JSON_KEYS["DOCUMENTS"])
def test_the_documents_that_are_described_are_those_that_are_printed(name: str) -> None:
    printed = json.loads(_typed(*LINES[name], "--json"))
    assert list(printed) == list(JSON_KEYS["DOCUMENTS"][name])
    for key, (type_, _) in JSON_KEYS["DOCUMENTS"][name].items():
        assert isinstance(printed[key], _TYPES[type_]) or printed[key] is None
    if name == "doctor":
        assert {tuple(step) for step in printed["steps"]} == {tuple(JSON_KEYS["STEP_KEYS"])}


def _typed(*words: str) -> str:
    world = Environment(
        open_backend=lambda *_: Twin(night().spans, [running()]),
        open_broker=lambda *_: TwinBroker(),
        has_default_store=lambda: True,
        now_ns=lambda: NOW,
        environ={"JOBSPAN_BROKER": "redis://localhost:6379/0"},
    )
    return CliRunner().invoke(jobspan, words, obj=world).stdout


def test_every_path_that_is_mentioned_is_there() -> None:
    mentioned = {path for path in _PATH.findall(f"{ALL}\n{CONTRIBUTING}") if "NAME" not in path}
    assert {path for path in mentioned if not (ROOT / path).exists()} == set()


def test_every_module_that_contributors_are_led_to_is_there() -> None:
    pages = "\n".join(text for page, text in PAGES.items() if page.startswith("docs/contributing/"))
    mentioned = set(re.findall(r"`([\w/]+/(?:\w+\.py)?)`", pages))
    assert {path for path in mentioned if not (ROOT / path).exists() and not (PACKAGE / path).exists()} == set()


def test_the_links_of_readme_and_its_like_lead_somewhere() -> None:
    assert {str(page): list(LINKS["dead_links"](page)) for page in LINKS["pages_outside"]()} == {
        str(page): [] for page in LINKS["pages_outside"]()
    }


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[1](page.md#a-b-c) [2](page.md#d) [3](gone.md) [4](https://a.org) `[5](gone.md)`\n")
    assert list(LINKS["dead_links"](page)) == ["page.md#d", "gone.md"]


def test_every_name_is_spelled_in_conventions_alone() -> None:
    names = {row.name for row in c.ATTRIBUTES} | {row.name for row in c.METRICS}
    sources = [path for path in (ROOT / "src").rglob("*.py") if path.name != "conventions.py"]
    spelled = {(path.name, name) for path in sources for name in names if f'"{name}"' in path.read_text("utf-8")}
    assert spelled == set()
