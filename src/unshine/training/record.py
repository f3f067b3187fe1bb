"""What a run does besides learning, whatever the framework: when to log, to validate, to stop."""

import csv
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from unshine.training.settings import Settings

LOGGED = (1, 2, 5, 10, 20)
"""The first steps that are logged; later every fiftieth is, and the last."""


class Run(Protocol):
    """A run in one framework."""

    settings: Settings
    step: int
    samples: int
    seconds: float
    rate: float
    """The learning rate of the last step."""
    recent: list[dict[str, Any]]
    """Loss terms of the steps since the last row of the log."""

    def done(self) -> float:
        """How much of the run is over, from 0 to 1; the same on all processes."""

    def learn(self, truth: Any) -> None:
        """Take one step."""

    def keep(self) -> None:
        """Validate the weights, and write them, the scores, the sheet, a checkpoint."""


def follow(run: Run, batches: Iterator[Any], leader: bool) -> None:
    """Take steps until the run is over or interrupted; log and keep what was learnt.

    Parameters
    ----------
    run : Run
    batches : iterator
        Endless.
    leader : bool
        Whether this process writes and speaks for all of them.
    """
    settings = run.settings
    settings.output.mkdir(parents=True, exist_ok=True)
    # A polite kill keeps what was learnt, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic() - run.seconds
    next_validation, kept = run.done(), -1
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not leader) as bar:
        task = bar.add_task("training", total=1.0)
        try:
            while run.done() < 1:
                run.learn(next(batches))
                run.seconds = time.monotonic() - started
                if run.step in LOGGED or run.step % 50 == 0:
                    loss = _log(run, leader)
                    speed = run.samples / run.seconds
                    words = f"{run.samples} samples, {speed:.0f}/s, loss {loss:.4f}"
                    bar.update(task, completed=run.done(), description=words)
                if run.done() >= next_validation:
                    next_validation += 1 / settings.validations
                    kept = run.step
                    _keep(run, leader)
        except KeyboardInterrupt:
            if leader:
                bar.console.print("Interrupted: keeping what was learnt; go on with --resume.")
    if kept < run.step:
        _keep(run, leader)


def when(run: Run) -> dict[str, float]:
    """Where the run stands: the first columns of every table, and what a checkpoint tells."""
    return {"step": run.step, "samples": run.samples, "seconds": round(run.seconds, 1)}


def scored(run: Run, scores: dict[str, float], sheet: Image.Image) -> None:
    """Write what a validation found: ``validation.csv``, ``sheet.png``, ``curves.png``."""
    folder = run.settings.output
    _append(folder / "validation.csv", when(run) | scores)
    sheet.save(folder / "sheet.png")
    plot(folder)


def _keep(run: Run, leader: bool) -> None:
    if run.recent:
        _log(run, leader)
    if leader:
        run.keep()


def _log(run: Run, leader: bool) -> float:
    """Write the mean losses since the last call to ``log.csv``, and return the total."""
    terms = {
        name: float(np.mean([float(terms[name]) for terms in run.recent])) for name in run.recent[0]
    }
    run.recent.clear()
    if leader:
        _append(run.settings.output / "log.csv", when(run) | {"rate": run.rate} | terms)
    return terms["total"]


def _append(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow({n: f"{v:.6g}" if isinstance(v, float) else v for n, v in row.items()})


def plot(folder: Path) -> None:
    """Draw ``log.csv`` and ``validation.csv`` of a run as ``curves.png``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.5))
    for axis, name in zip(axes, ("log.csv", "validation.csv"), strict=True):
        if not (folder / name).exists():
            continue
        with (folder / name).open() as file:
            rows = list(csv.DictReader(file))
        samples = [float(row["samples"]) for row in rows]
        for column in rows[0]:
            if column not in ("step", "samples", "seconds", "rate"):
                axis.plot(samples, [float(row[column]) for row in rows], label=column)
        axis.set(xlabel="samples", title=name)
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    figure.tight_layout()
    figure.savefig(folder / "curves.png", dpi=80)
    pyplot.close(figure)
