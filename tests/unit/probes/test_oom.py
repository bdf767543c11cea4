"""The kernel's count of kills for want of memory, as each kind of system writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobspan.probes import oom


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group file system of the test's own."""
    monkeypatch.setattr(oom, "_CGROUPS", tmp_path)
    return tmp_path


def in_group(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let this process be in these groups, as /proc/self/cgroup has them."""
    monkeypatch.setattr(oom, "_own_groups", lambda: list(lines))


def written(path: Path, text: str) -> None:
    """Write a file of the kernel's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_2_counts_in_the_groups_events(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_group(monkeypatch, "0::/system.slice/worker.service")
    written(cgroups / "system.slice/worker.service/memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n")
    assert oom.oom_kills() == 3


@pytest.mark.parametrize("path", ["/", "/../docker/4f1d"])
def test_in_a_container_the_mounts_root_is_the_group(cgroups: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    in_group(monkeypatch, f"0::{path}")
    written(cgroups / "memory.events", "oom 1\noom_kill 2\noom_group_kill 0\n")
    assert oom.oom_kills() == 2


def test_version_1_counts_in_the_groups_control(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_group(monkeypatch, "4:memory:/workers", "1:cpu:/", "0::/")
    written(cgroups / "memory/workers/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n")
    assert oom.oom_kills() == 7


def test_without_a_groups_count_the_machines_is_taken(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_group(monkeypatch)
    lines = Path("/proc/vmstat").read_text().splitlines() if Path("/proc/vmstat").exists() else []
    machines = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    assert oom.oom_kills() == (machines[0] if machines else None)
