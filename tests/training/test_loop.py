"""The loop, on a run that learns nothing: when it logs, validates, saves and stops."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from unshine.training import loop
from unshine.training.recipes import PAPER
from unshine.training.settings import Settings


class StandIn(loop.Run):
    """Counts what it is told to do."""

    framework = "none"

    def __init__(self, settings: Settings, leader: bool = True) -> None:
        super().__init__(settings, leader)
        self.saved: list[int] = []
        self.checkpoints: list[int] = []

    def train_step(self, truth: int) -> None:
        if truth < 0:
            raise KeyboardInterrupt
        self.next_rate()
        self.step += 1
        self.samples += 1
        self.recent.append({"total": float(truth)})

    def mean_seconds(self) -> float:
        return self.seconds

    def engine(self):
        raise AssertionError("the stand-in saves without validating")

    def save(self) -> str:
        self.saved.append(self.step)
        return ""

    def save_weights(self, path: Path) -> None: ...

    def save_checkpoint(self, folder: Path) -> None:
        self.checkpoints.append(self.step)


def run(folder: Path, samples: int = 120, leader: bool = True, **changes) -> StandIn:
    # TSHRNet's, whose tuples reach the run as they are.
    recipe = replace(PAPER, validations=4)
    return StandIn(Settings(folder, samples=samples, recipe=recipe, **changes), leader)


def logged(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_validates_as_often_as_it_is_told_and_at_the_end(tmp_path):
    one = run(tmp_path)
    loop.run_loop(one, iter(range(1000)))
    assert one.saved == [1, 30, 60, 90, 120]
    assert one.checkpoints == []


def test_it_logs_the_mean_of_the_steps_since_the_last_row(tmp_path):
    loop.run_loop(run(tmp_path), iter(range(1000)))
    rows = logged(tmp_path)
    steps = [int(row["step"]) for row in rows]
    assert steps == [1, 2, 5, 10, 20, 30, 50, 60, 90, 100, 120]
    assert float(rows[3]["total"]) == pytest.approx(sum(range(5, 10)) / 5)


def test_between_validations_it_writes_checkpoints_by_the_clock(tmp_path):
    one = run(tmp_path, samples=8, checkpoint_minutes=0.0)
    loop.run_loop(one, iter(range(1000)))
    assert one.saved == [1, 2, 4, 6, 8]
    assert one.checkpoints == [3, 5, 7]


def test_an_interruption_keeps_what_was_learnt(tmp_path, capsys):
    one = run(tmp_path)
    loop.run_loop(one, iter([0, 1, 2, -1]))
    assert one.saved == [1, 3]
    assert [int(row["step"]) for row in logged(tmp_path)] == [1, 2, 3]
    assert "Interrupted" in capsys.readouterr().out


def test_only_the_leader_writes(tmp_path):
    one = run(tmp_path, leader=False)
    loop.run_loop(one, iter(range(1000)))
    assert one.saved == []
    assert list(tmp_path.iterdir()) == []
