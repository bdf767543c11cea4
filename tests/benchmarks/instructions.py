"""Instructions of the processor that a job takes, counted by valgrind: whatever else runs on the machine.

They are not time: code that goes far and repeats little finds less of itself in the processor's caches, and has more of
its branches guessed wrong. Takes some three minutes, and is measured only where it is asked for by name.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks.children import environment, flight_folder
from benchmarks.contenders import (
    BARE,
    CONTENDERS,
    FLOOR,
    JOBSPAN_NO_RECORD,
    JOBSPAN_NO_SDK,
    JOBSPAN_UNSAMPLED,
    PEER,
    PEER_UNSAMPLED,
)
from benchmarks.figures import Figure, figure
from benchmarks.libraries import LIBRARIES

_FEW, _MANY, _AT_ONCE = 100, 300, 2
_COMPARED = (BARE, FLOOR, JOBSPAN_NO_RECORD, PEER, JOBSPAN_UNSAMPLED, PEER_UNSAMPLED, JOBSPAN_NO_SDK)
_RATIOS = ((JOBSPAN_NO_RECORD, FLOOR), (JOBSPAN_NO_RECORD, PEER), (JOBSPAN_UNSAMPLED, PEER_UNSAMPLED))
_COUNTED = re.compile(r"Collected : (\d+)")


def measure() -> list[Figure]:
    """Count for both libraries."""
    if shutil.which("valgrind") is None:
        raise SystemExit("instructions are counted by valgrind, which is not installed: apt-get install valgrind")
    return [found for library in LIBRARIES for found in _of(library)]


def _of(library: str) -> list[Figure]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counted = dict(zip(_COMPARED, pool.map(lambda name: _of_a_job(library, name), _COMPARED), strict=True))
    added = {name: thousands - counted[BARE] for name, thousands in counted.items() if name != BARE}
    group = f"instructions, {library}"
    figures = [figure(group, "bare job", "thousand", [counted[BARE]])]
    figures += [figure(group, f"added by {name}", "thousand", [value]) for name, value in added.items()]
    return [
        *figures,
        *(figure(group, f"{one} ÷ {other}", "times", [added[one] / added[other]]) for one, other in _RATIOS),
    ]


def _of_a_job(library: str, name: str) -> float:
    """Return thousands of instructions: what many jobs take more than few do, which begin the same way."""
    few, many = (_counted(library, name, jobs) for jobs in (_FEW, _MANY))
    return (many - few) / (_MANY - _FEW) / 1e3


def _counted(library: str, name: str, jobs: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "benchmarks.contender", library, name]
    with flight_folder() as folder:
        # Strings hash alike in each process, and so their dictionaries are alike.
        env = environment(folder) | CONTENDERS[name].env | {"PYTHONHASHSEED": "0"}
        asked = f"measure {_FEW}\nmeasure {jobs}\n"
        told = subprocess.run(command, env=env, input=asked, capture_output=True, text=True, check=False)
    found = _COUNTED.search(told.stderr)
    if told.returncode or found is None:
        raise RuntimeError(f"{name} of {library} under valgrind:\n{told.stderr[-4000:]}")
    _, *answers = map(json.loads, told.stdout.splitlines())  # the first is a greeting
    spans, expected = sum(each["spans"] for each in answers), CONTENDERS[name].expected(library) * (_FEW + jobs)
    assert spans == expected, f"{name}: {spans} spans of {library} left, expected {expected}"
    return int(found[1])
