"""Every check of the project: ``nox`` runs those that pass the tests, ``nox -l`` lists them, ``nox -s NAME`` runs one.

Arguments after ``--`` go to pytest: ``nox -s tests-3.12 -- -k retried``, ``nox -s tests -- tests/unit/test_jobs.py``;
and to the benchmarks: ``nox -s bench -- per-job``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nox

ROOT = Path(__file__).parent
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")
ON_EVERY_PYTHON = ("unit", "library/cost", "roundtrip")
"""Rings of what happens inside users' processes; ``roundtrip`` is one way through the whole store."""
READING = tuple(f"tests/unit/{folder}" for folder in ("analysis", "brokers", "cli", "health", "questions"))
"""Of the unit ring, what happens in jobspan's own programs: where the rings below run."""
ON_TWO_PYTHONS = ("contract", "backends")
"""Rings of jobspan's own programs: the oldest interpreter that is here, and the default one."""
ON_ONE_PYTHON = ("support_proofs",)
"""The ring of what no user installs: the default interpreter."""
CORES = min(os.cpu_count() or 1, 4)
"""So many tests run at a time: they compute."""
WAITING = 2 * CORES
"""So many of those with workers and servers, for which they wait most of the time."""
PROJECT = nox.project.load_toml("pyproject.toml")
OLDEST = (
    "celery~=5.3.0",
    "dramatiq~=1.17.0",
    "opentelemetry-api==1.38.0",
    "opentelemetry-sdk==1.38.0",
    "opentelemetry-exporter-otlp==1.38.0",
    "opentelemetry-instrumentation==0.59b0",
    "opentelemetry-semantic-conventions==0.59b0",
    "opentelemetry-distro==0.59b0",
    "wrapt==1.14.*",
)


def _ask(interpreter: str) -> tuple[str, str] | None:
    """Ask an interpreter for its version and true path; None when it does not run, as some of pyenv's shims."""
    question = "import os, sys; print('%d.%d' % sys.version_info[:2]); print(os.path.realpath(sys.executable))"
    try:
        asked = subprocess.run([interpreter, "-c", question], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version, path = asked.stdout.splitlines()
    return version, path


def _candidates(version: str) -> Iterator[str]:
    """Say where an interpreter of this version may be: on PATH, beside the running one, in pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(Path(folder) / f"python{version}") for folder in os.get_exec_path())
    yield str(Path(sys.base_prefix) / "bin" / f"python{version}")
    yield from sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}")), reverse=True)


def _found() -> dict[str, str]:
    """Return the interpreters that run here, by version."""
    answers = ((version, filter(None, map(_ask, _candidates(version)))) for version in SUPPORTED)
    first = ((version, next((path for said, path in told if said == version), None)) for version, told in answers)
    return {version: path for version, path in first if path}


FOUND = _found()
DEFAULT = "{}.{}".format(*sys.version_info[:2])
PYTHONS = list(FOUND) or [DEFAULT]
OTHER = next((version for version in PYTHONS if version != DEFAULT), DEFAULT)

# nox takes the first interpreter of that name on PATH without running it: those that work come first.
os.environ["PATH"] = os.pathsep.join([*(str(Path(path).parent) for path in FOUND.values()), os.environ["PATH"]])

# Every program that a test starts would else compile what it imports: uv leaves that to the first import.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["UV_COMPILE_BYTECODE"] = "1"

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"  # uv installs in seconds what pip installs in a minute
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def _everything() -> list[str]:
    """Return what most sessions install: jobspan with all extras, and what tests need. One of them calls pip."""
    return ["-e", ".[all]", "pip", *_group("test"), *_group("beside")]


def _install(session: nox.Session, *packages: str) -> None:
    """Install into the session's environment, once for the same list and the same pyproject.toml."""
    wanted = "\n".join([*packages, (ROOT / "pyproject.toml").read_text()])
    stamp = Path(session.virtualenv.location) / "installed"
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    session.install(*packages)
    stamp.write_text(digest)


def _pytest(session: nox.Session, *rings: str, processes: int = CORES, options: Sequence[str] = ()) -> None:
    """Run the tests of these rings, or what the arguments after ``--`` name.

    The times of the tests are written to ``build/tests/SESSION.xml``; ``tests/support/session_times.py`` reads them.
    """
    if any(argument.startswith("tests") for argument in session.posargs):
        session.run("python", "-m", "pytest", *session.posargs)
        return
    folders = [f"tests/{ring}" for ring in rings if any((ROOT / "tests" / ring).rglob("test_*.py"))]
    if not folders:
        session.skip("no tests in " + ", ".join(f"tests/{ring}" for ring in rings))
    run = ["python", "-m", "pytest", "--numprocesses", str(processes), f"--junit-xml=build/tests/{session.name}.xml"]
    session.run(*run, *options, *folders, *session.posargs)


@nox.session(python=DEFAULT, default=False)
def quick(session: nox.Session) -> None:
    """The short loop: style, types, layers and the unit tests, on one interpreter in under three minutes."""
    _install(session, *_everything(), "nox", *_group("lint"), *_group("types"), *_group("layers"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "src"})
    session.run("mypy")
    _pytest(session, "unit")


@nox.session(python=DEFAULT)
def lint(session: nox.Session) -> None:
    """Style and likely mistakes: ruff."""
    _install(session, *_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=DEFAULT)
def types(session: nox.Session) -> None:
    """Types: mypy, strict."""
    _install(session, *_everything(), "nox", *_group("types"))
    session.run("mypy")


@nox.session(python=DEFAULT)
def layers(session: nox.Session) -> None:
    """Who may import whom: import-linter."""
    _install(session, *_group("layers"))
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "src"})


@nox.session(python=DEFAULT)
def package(session: nox.Session) -> None:
    """What is uploaded: it builds, holds what it should and no more, and runs where nothing else of the project is."""
    _install(session, "build[uv]", "twine")
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder)
        session.run("python", "-m", "build", "--installer", "uv", "--outdir", str(empty / "dist"))
        sdist, wheel = sorted((empty / "dist").iterdir(), key=lambda path: path.suffix)
        session.run("twine", "check", "--strict", str(sdist), str(wheel))
        _check_wheel(session, wheel)
        session.run("python", "-m", "venv", "--without-pip", str(empty / "env"))
        programs = empty / "env" / "bin"
        session.chdir(empty)
        for extras, program, *arguments in (
            ("", "python", "-c", "import jobspan; print(jobspan.__version__)"),
            ("[cli]", "jobspan", "--version"),
            ("[demo]", "jobspan", "demo"),
        ):
            wanted = f"jobspan{extras} @ {wheel.as_uri()}"
            session.run("uv", "pip", "install", "--quiet", "--python", str(programs / "python"), wanted)
            # Its environment says nothing of the clone: Python finds only what is installed.
            env = {"PATH": os.defpath, "HOME": folder}
            session.run(str(programs / program), *arguments, env=env, include_outer_env=False, external=True)


def _check_wheel(session: nox.Session, wheel: Path) -> None:
    """Fail unless the wheel holds the files of ``src/jobspan`` and its own metadata, and nothing else."""
    source = ROOT / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    if held != expected or "jobspan/py.typed" not in held:
        session.error(f"{wheel.name}: unexpected {sorted(held - expected)}, missing {sorted(expected - held)}")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The rings without whole workers: what runs in users' processes on every interpreter, the rest on fewer."""
    _install(session, *_everything())
    rings, options = [*ON_EVERY_PYTHON], [f"--ignore={folder}" for folder in READING]
    if session.python in {DEFAULT, PYTHONS[-1]}:
        rings[1] = "library"  # the oldest interpreter has it in the session ``oldest``
    if session.python in {PYTHONS[0], DEFAULT}:
        rings, options = [*rings, *ON_TWO_PYTHONS], []
    if session.python == DEFAULT:
        rings += ON_ONE_PYTHON
    _pytest(session, *rings, options=options)


@nox.session(python=list(dict.fromkeys([DEFAULT, OTHER])))
def brokers(session: nox.Session) -> None:
    """Real workers over real brokers, the examples and the demo; on a second interpreter what depends on it."""
    _install(session, *_everything())
    options = () if session.python == DEFAULT else ("-m", "every_python")
    _pytest(session, "brokers", "examples", processes=WAITING, options=options)


@nox.session(python=DEFAULT)
def operations(session: nox.Session) -> None:
    """What an operator deploys: ``collector-config/`` in the real Collector, Prometheus and Alertmanager."""
    _install(session, *_everything(), *_group("grafana"))
    _pytest(session, "operations", processes=WAITING)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """The library ring with the oldest releases that are supported."""
    _install(session, "-e", ".[otlp,celery,dramatiq,redis,cli]", "pip", *OLDEST, *_group("test"))
    _pytest(session, "library")


@nox.session(python=DEFAULT)
def docs(session: nox.Session) -> None:
    """The documentation, into build/docs: no warning, no dead link, no page that nothing leads to."""
    _install(session, *_group("docs"))
    session.run("sphinx-build", "-E", "-W", "-n", "--keep-going", "-q", "-b", "html", "docs", "build/docs")


@nox.session(python=DEFAULT, default=False)
def generate(session: nox.Session) -> None:
    """Write what the documentation has from the code: tables, dashboards, and pictures of what the commands print."""
    _install(session, "-e", ".[all]", *_group("test"))
    session.run("python", "docs/generate/tables.py")
    session.run("python", "docs/generate/dashboards.py")
    session.run("python", "docs/generate/screens.py")
    _pytest(session, "contract")


@nox.session(python=DEFAULT, default=False)
def bench(session: nox.Session) -> None:
    """What jobspan costs, beside others: one table, and build/bench.json. ``-- per-job`` measures one group alone."""
    _install(session, "-e", ".[all]", *_group("test"), *_group("beside"), *_group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs, env={"PYTHONPATH": "tests"})
