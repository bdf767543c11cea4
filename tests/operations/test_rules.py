"""Rules, routes and Prometheus' own configuration, held to their tools' checks and to the tests beside them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.otelcol import CONFIG
from support.prometheus import SHORTER, binary, shortened

RULES = CONFIG / "prometheus"
TESTS = sorted((RULES / "tests").glob("*.yaml"))
ALERTMANAGER = str(CONFIG / "alertmanager" / "alertmanager.yaml")
NAMES = re.compile(r"- (?:record|alert): (\S+)")


def said_by(*args: str) -> str:
    """Run a tool and return what it says; fail when it is not content."""
    said = subprocess.run([binary(args[0]), *args[1:]], capture_output=True, text=True, timeout=110, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(tests: Path) -> None:
    said_by("promtool", "test", "rules", str(tests))


def test_every_rule_has_a_test() -> None:
    tested = "".join(path.read_text() for path in TESTS)
    rules = {name for path in ("recording", "alerts") for name in NAMES.findall((RULES / f"{path}.yaml").read_text())}
    # The increases are what the alerts are made of.
    assert {name for name in rules if name not in tested and not name.startswith("jobspan:")} == set()


def test_prometheus_and_alertmanager_take_their_files() -> None:
    said_by("promtool", "check", "config", str(RULES / "prometheus.yaml"))
    said_by("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(("severity", "receivers"), [("warning", "slack"), ("critical", "email,slack")])
def test_what_is_critical_goes_out_by_mail_as_well(severity: str, receivers: str) -> None:
    told = said_by("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}")
    assert told.strip() == receivers


def test_only_durations_are_shortened() -> None:
    assert shortened("rate(x[1h] offset 1w) > 1000") == f"rate(x[{SHORTER['1h']}] offset {SHORTER['1w']}) > 1000"
