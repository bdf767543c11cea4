"""The arguments of a command may leave the process: what looks like a secret is masked, however it is spelled."""

from __future__ import annotations

import pytest

from jobspan.recording.attributes.command_attributes import arguments_of


@pytest.mark.parametrize(
    "line",
    [
        ["--password=HIDE"],
        ["--password", "HIDE"],
        ["--password", "-HIDE"],
        ["--password=", "HIDE"],
        ["--db-password", "HIDE"],
        ["--DB_PASSWORD=HIDE"],
        ["-password", "HIDE"],
        ["-pass", "HIDE"],
        ["--ssh-pass", "HIDE"],
        ["--pw", "HIDE"],
        ["-p", "HIDE"],
        ["-p=HIDE"],
        ["-pHIDE"],
        ["-pHIDEtoken"],
        ["--auth", "HIDE"],
        ["--pin=HIDE"],
        ["--signing-key", "HIDE"],
        ["--cookie", "HIDE"],
        ["-u", "bob:HIDE"],
        ["-ubob:HIDE"],
        ["--user=bob:HIDE"],
        ["-e", "PGPASSWORD=HIDE"],
        ["-Ddb.password=HIDE"],
        ["-H", "Authorization: Bearer HIDE"],
        ['{"password": "HIDE"}'],
        ["--dsn", "host=h password=HIDE"],
        ["sh", "-c", "mysqldump -uroot -pHIDE --password HIDE\n  --token HIDE shop"],
        ["amqp://u:HIDE@host//"],
    ],
    ids=" ".join,
)
def test_a_secret_is_masked(line: list[str]) -> None:
    assert "HIDE" not in " ".join(arguments_of(["tool", *line]))


@pytest.mark.parametrize(
    "line",
    [
        ["import", "--fast", "-v", "--passengers", "3", "--author=bob", "-u", "bob", "--monkey", "x", "--keyboard=us"],
        ["sh", "-c", "cd /srv  &&\n\t./nightly --fast 2>&1"],
    ],
)
def test_what_is_none_is_shown_as_it_was_typed(line: list[str]) -> None:
    assert arguments_of(line) == tuple(line)


def test_arguments_are_cut() -> None:
    shown = arguments_of(["x" * 5000] * 200)
    assert (len(shown), {len(text) for text in shown}) == (100, {1024})
