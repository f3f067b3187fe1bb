"""How many processors there are."""

from pathlib import Path

import pytest

from unshine.cpus import available_cpus


def test_processors_are_those_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda self: "max 100000")
    assert available_cpus() == 64
    monkeypatch.setattr(Path, "read_text", lambda self: "250000 100000")
    assert available_cpus() == 2
    monkeypatch.setattr(Path, "read_text", lambda self: "10000 100000")
    assert available_cpus() == 1
