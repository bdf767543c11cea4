"""Switching on and off any number of times leaves every attribute of the libraries the very object that it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIBRARIES = {
    "celery": "celery.canvas celery.beat celery.bin.worker celery.worker.request celery.worker.consumer.consumer "
    "celery.worker.components celery.app.log celery.app.amqp celery.apps.worker celery.backends.base "
    "celery.concurrency.prefork celery.concurrency.asynpool celery.loaders.default celery.app.routes kombu billiard",
    "dramatiq": "dramatiq.cli dramatiq.worker dramatiq.brokers.stub dramatiq.composition dramatiq.results",
    "click": "click.core click.testing",
}
INSTRUMENTORS = {"celery": "Celery", "dramatiq": "Dramatiq", "click": "Command"}

PROGRAM = """
import sys
from importlib import import_module

library, instrumentor, *modules = sys.argv[1:]
for module in modules:
    import_module(module)


def seen():
    found = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in (library, "kombu", "billiard"):
            for attribute, value in list(vars(module).items()):
                found[name, attribute] = value
                if isinstance(value, type) and value.__module__ == name:
                    found.update({(name, attribute, key): inner for key, inner in list(vars(value).items())})
                if type(value).__name__ == "Signal":
                    found[name, attribute, "receivers"] = list(value.receivers or ())
    return found


def other(before):
    # Lists of receivers are made anew.
    now = seen()
    return sorted(
        ".".join(at) for at, was in before.items() if now[at] is not was and not (type(was) is list and now[at] == was)
    )


import jobspan

before = seen()
for _ in range(3):
    getattr(jobspan, instrumentor)().instrument()
    assert other(before)
    getattr(jobspan, instrumentor)().uninstrument()
    assert not other(before), other(before)
"""


@pytest.mark.parametrize("library", LIBRARIES)
def test_of_what_was_patched(library: str) -> None:
    asked = [library, f"{INSTRUMENTORS[library]}Instrumentor", *LIBRARIES[library].split()]
    command = [sys.executable, "-c", PROGRAM, *asked]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
