"""The training loop, whatever the framework: when to step, log, validate, save and stop."""

import csv
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from unshine import exposure
from unshine.networks import NETWORKS
from unshine.training import checkpoints, validation
from unshine.training.recipes import learning_rate
from unshine.training.settings import Settings

LOGGED = (1, 2, 5, 10, 20)
"""The first steps that are logged; later every fiftieth is, and the last."""


class Run(ABC):
    """The state of a run, which a framework's own class extends by network and optimiser.

    Parameters
    ----------
    settings : Settings
    leader : bool
        Whether this process writes and speaks for all of them.
    """

    framework: str

    def __init__(self, settings: Settings, leader: bool) -> None:
        self.settings, self.recipe, self.leader = settings, settings.recipe, leader
        self.step, self.samples, self.seconds = 0, 0, 0.0
        self.rate = 0.0
        """The learning rate of the last step."""
        self.recent: list[dict[str, Any]] = []
        """Loss terms of the steps since the last row of the log."""
        self.weights, self.checkpoint = checkpoints.starting_point(settings.init, settings.resume)
        """Where the run starts: at weights alone, or at a checkpoint, or at neither."""

    @abstractmethod
    def train_step(self, truth: Any) -> None:
        """Take one step on a batch."""

    @abstractmethod
    def mean_seconds(self) -> float:
        """Return how long the run has taken, the same on all processes."""

    @abstractmethod
    def engine(self) -> validation.TrainingEngine:
        """Wrap the weights that are to be kept, averaged if the recipe says so, as an engine."""

    @abstractmethod
    def save_weights(self, path: Path) -> None:
        """Write the weights that `engine` last wrapped."""

    @abstractmethod
    def save_checkpoint(self, folder: Path) -> None:
        """Write all that is needed to go on as if never stopped."""

    def progress(self) -> float:
        """Return how much of the run is over, from 0 to 1; the same on all processes."""
        if self.settings.samples is not None:
            return self.samples / self.settings.samples
        return self.mean_seconds() / (60 * (self.settings.minutes or 1))

    def next_rate(self) -> float:
        """Return the learning rate of the next step, and remember it as the last one's."""
        share = learning_rate(self.progress(), self.step, self.recipe.warmup)
        self.rate = self.recipe.rate * share
        return self.rate

    def position(self) -> dict[str, float]:
        """Return where the run stands: the first columns of every table."""
        return {"step": self.step, "samples": self.samples, "seconds": round(self.seconds, 1)}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint says about the run."""
        about = {"framework": self.framework, "settings": self.settings.as_text()}
        return self.position() | {"seconds": self.seconds} | about

    def restore_position(self, state: dict[str, Any]) -> None:
        """Go to where a checkpoint's `state` says."""
        self.step, self.samples = state["step"], state["samples"]
        self.seconds = state["seconds"]

    def save(self) -> str:
        """Validate, write weights, scores, sheet, curves and a checkpoint; return the scores."""
        folder = self.settings.output
        synthetic = self.recipe.synthetic
        if self.settings.validate_on and not self.settings.of_kind("procedural"):
            synthetic = 0
        scores, sheet = validation.validate(
            self.engine(), synthetic, self.settings.validate_on, self.recipe.as_stored
        )
        log_validation(self, scores, sheet)
        self.save_weights(folder / "weights.safetensors")
        self.save_checkpoint(folder / "checkpoint")
        words = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        return f"{self.samples} samples: {words}"


def run_loop(run: Run, batches: Iterator[Any]) -> None:
    """Take steps until the run is over or interrupted; log and save as it goes.

    Parameters
    ----------
    run : Run
    batches : iterator
        Endless; of what `run.train_step` takes.
    """
    settings = run.settings
    settings.output.mkdir(parents=True, exist_ok=True)
    if NETWORKS[run.recipe.network].EXPOSED:
        batches = map(exposure.expose, batches)
    # A polite kill keeps what was learnt, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic() - run.seconds
    next_validation, saved_step, saved_at = run.progress(), -1, time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not run.leader) as bar:
        say = bar.console.print
        if run.leader and run.weights and run.weights == settings.resume:
            say(f"{run.weights} holds weights and no optimiser state: training starts from them.")
        task = bar.add_task("training", total=1.0)
        try:
            while run.progress() < 1:
                run.train_step(next(batches))
                run.seconds = time.monotonic() - started
                if run.step in LOGGED or run.step % 50 == 0:
                    loss = _log(run)
                    speed = run.samples / run.seconds
                    words = f"{run.samples} samples, {speed:.0f}/s, loss {loss:.4f}"
                    bar.update(task, completed=run.progress(), description=words)
                if run.progress() >= next_validation:
                    next_validation += 1 / run.recipe.validations
                    saved_step = run.step
                    _save(run, say)
                    saved_at = time.monotonic()
                elif time.monotonic() - saved_at > 60 * settings.checkpoint_minutes:
                    if run.leader:
                        run.save_checkpoint(settings.output / "checkpoint")
                    saved_at = time.monotonic()
        except KeyboardInterrupt:
            if run.leader:
                say("Interrupted: what was learnt is saved; resume goes on from the checkpoint.")
    if saved_step < run.step:
        _save(run, bar.console.print)


def log_validation(run: Run, scores: dict[str, float], sheet: Image.Image) -> None:
    """Write what a validation found: ``validation.csv``, ``sheet.png``, ``curves.png``."""
    folder = run.settings.output
    _append(folder / "validation.csv", run.position() | scores)
    sheet.save(folder / "sheet.png")
    plot(folder)


def _save(run: Run, say: Any) -> None:
    if run.recent:
        _log(run)
    if run.leader:
        say(run.save())


def _log(run: Run) -> float:
    """Write the mean losses since the last call to ``log.csv``, and return the total."""
    terms = {
        name: float(np.mean([float(terms[name]) for terms in run.recent])) for name in run.recent[0]
    }
    run.recent.clear()
    if run.leader:
        _append(run.settings.output / "log.csv", run.position() | {"rate": run.rate} | terms)
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
