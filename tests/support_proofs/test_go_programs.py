"""A Go program is built once for what pins it, and again when that changes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support import go_programs
from support.required import missing

_MAIN = 'package main\n\nimport "fmt"\n\nfunc main() {{ fmt.Print("{}") }}\n'


def _module(folder: Path, says: str) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "go.mod").write_text("module hello\n\ngo 1.24\n")
    (folder / "main.go").write_text(_MAIN.format(says))


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for modules, beside an empty cache for programs. Go keeps its own, with its library."""
    if shutil.which("go") is None:
        missing("go", "no go on PATH")
    monkeypatch.setenv("GOCACHE", subprocess.check_output(["go", "env", "GOCACHE"], text=True).strip())
    monkeypatch.setattr(go_programs, "TOOLS", tmp_path / "tools")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "tools"


def test_a_program_is_built_once_for_what_pins_it(tools: Path) -> None:
    _module(tools / "hello", "one")
    first = go_programs.build("hello")
    built_ns = first.stat().st_mtime_ns
    assert (go_programs.build("hello"), first.stat().st_mtime_ns) == (first, built_ns)
    _module(tools / "hello", "two")
    second = go_programs.build("hello")
    assert [subprocess.check_output([program], text=True) for program in (first, second)] == ["one", "two"]
    assert sorted(path.name for path in (tools / "hello").iterdir()) == ["go.mod", "main.go"]


def test_a_program_that_does_not_build_is_told_by_the_exit_code(tools: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _module(tools / "hello", '"')
    assert go_programs.main([]) == 1
    assert "hello: not built" in capfd.readouterr().err
    assert not go_programs.program_path("hello").exists()
