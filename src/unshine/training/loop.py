"""The training loop, on Lightning Fabric: a laptop's CPU, one GPU, or many under torchrun."""

import csv
import logging
import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.data import DataLoader

from unshine.errors import UnshineError
from unshine.networks.three_stage import FAST
from unshine.networks.three_stage.torch import ThreeStage
from unshine.networks.weights import load_weights, save_weights
from unshine.synth.camera import Tuples
from unshine.training import checkpoints, validation
from unshine.training.losses import losses
from unshine.training.stream import ProceduralStream


@dataclass(frozen=True)
class Settings:
    """One training run.

    Either `minutes` or `samples` says how long; the learning rate falls along a half cosine to
    its end, whichever it is.
    """

    output: Path
    minutes: float | None = None
    samples: int | None = None
    batch: int = 8
    size: int = 128
    rate: float = 1e-3
    warmup: int = 200
    averaging: float = 0.999
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    init: Path | None = None
    resume: Path | None = None
    validate_on: Path | None = None
    validations: int = 20

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.samples is None):
            raise UnshineError("Say how long to train: --minutes or --samples, one of them.")
        if self.init and self.resume:
            raise UnshineError("--init starts anew and --resume goes on: give one of them.")
        if self.device not in ("auto", "cpu", "cuda"):
            raise UnshineError(f"There is no device {self.device!r}; choose auto, cpu or cuda.")
        if self.precision not in ("auto", "bf16", "32"):
            raise UnshineError(f"There is no precision {self.precision!r}; choose bf16 or 32.")


def train(settings: Settings) -> Path:
    """Train `ThreeStage` on procedural tuples.

    Returns
    -------
    Path
        The averaged weights, ``weights.safetensors`` in the output folder, beside ``log.csv``,
        ``validation.csv``, ``curves.png``, ``sheet.png`` and the folder ``checkpoint``.
    """
    # Denormals slow CPUs down tenfold. The setting is each thread's own and inherited by those
    # that it starts, so it comes before the first parallel operation.
    torch.set_flush_denormal(True)
    try:
        return _train(settings)
    finally:
        torch.set_flush_denormal(False)


def _train(settings: Settings) -> Path:
    fabric = _fabric(settings)
    fabric.seed_everything(settings.seed, verbose=False)
    run = _Run(settings, fabric)
    stream = _stream(settings, fabric, run.step)
    settings.output.mkdir(parents=True, exist_ok=True)
    # A polite kill keeps what was learnt, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic() - run.seconds
    next_validation = run.done()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not fabric.is_global_zero) as bar:
        task = bar.add_task("training", total=1.0)
        try:
            while run.done() < 1:
                run.learn(next(stream))
                run.seconds = time.monotonic() - started
                if run.step % 50 == 0:
                    loss = run.log()["total"]
                    rate = run.samples / run.seconds
                    words = f"{run.samples} samples, {rate:.0f}/s, loss {loss:.4f}"
                    bar.update(task, completed=run.done(), description=words)
                if run.done() >= next_validation:
                    next_validation += 1 / settings.validations
                    run.keep()
        except KeyboardInterrupt:
            fabric.print("Interrupted: keeping what was learnt; go on with --resume.")
    run.keep()
    return settings.output / "weights.safetensors"


class _Run:
    """The state of a run: everything that a checkpoint must hold."""

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        self.settings, self.fabric = settings, fabric
        self.step, self.samples, self.seconds = 0, 0, 0.0
        self.recent: list[dict[str, Tensor]] = []
        network = ThreeStage(FAST)
        if settings.init:
            load_weights(settings.init, network)
        optimiser = torch.optim.AdamW(
            network.parameters(), settings.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.network = network
        self.model, self.optimiser = fabric.setup(network, optimiser)
        self.average = {name: x.detach().clone() for name, x in network.state_dict().items()}
        if settings.resume:
            self._restore(settings.resume)

    def done(self) -> float:
        """How much of the run is over, from 0 to 1; the same on all processes."""
        if self.settings.samples is not None:
            return self.samples / self.settings.samples
        seconds = self.fabric.broadcast(self.seconds)
        return float(seconds) / (60 * (self.settings.minutes or 1))

    def learn(self, tuples: Tuples) -> None:
        """Take one step."""
        rate = self.settings.rate * learning_rate(self.done(), self.step, self.settings.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms = losses(self.model(tuples.image), tuples)
        self.optimiser.zero_grad()
        self.fabric.backward(terms["total"])
        self.fabric.clip_gradients(self.model, self.optimiser, max_norm=3.0)
        self.optimiser.step()
        self.step += 1
        self.samples += tuples.image.shape[0] * self.fabric.world_size
        # Short at first, so that the average does not remember the untrained network.
        decay = min(self.settings.averaging, (1 + self.step) / (10 + self.step))
        average = list(self.average.values())
        current = [x.detach() for x in self.network.state_dict().values()]
        torch._foreach_lerp_(average, current, 1 - decay)
        self.recent.append({name: term.detach() for name, term in terms.items()})

    def log(self) -> dict[str, float]:
        """Write the mean losses since the last call to ``log.csv``, and return them."""
        names = self.recent[0].keys()
        terms = {n: float(torch.stack([x[n] for x in self.recent]).mean()) for n in names}
        self.recent.clear()
        if self.fabric.is_global_zero:
            rate = self.optimiser.param_groups[0]["lr"]
            when = {"step": self.step, "samples": self.samples, "seconds": round(self.seconds, 1)}
            _append(self.settings.output / "log.csv", when | {"rate": rate} | terms)
        return terms

    def keep(self) -> None:
        """Validate the averaged weights, and write them, the sheet, the curves, a checkpoint."""
        if not self.fabric.is_global_zero:
            return
        folder = self.settings.output
        averaged = ThreeStage(FAST)
        averaged.load_state_dict(self.average)
        averaged.to(self.fabric.device)
        scores, sheet = validation.validate(averaged, self.settings.validate_on)
        when = {"step": self.step, "samples": self.samples, "seconds": round(self.seconds, 1)}
        _append(folder / "validation.csv", when | scores)
        sheet.save(folder / "sheet.png")
        validation.plot(folder)
        save_weights(folder / "weights.safetensors", averaged)
        checkpoints.save_checkpoint(folder / "checkpoint", self._tensors(), self._state())
        words = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        self.fabric.print(f"{self.samples} samples: {words}")

    def _state(self) -> dict[str, Any]:
        settings = {name: str(value) for name, value in asdict(self.settings).items()}
        done = {"step": self.step, "samples": self.samples, "seconds": self.seconds}
        return done | {"settings": settings}

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"average.{name}": x for name, x in self.average.items()}
        for name, parameter in self.network.named_parameters():
            tensors[f"weight.{name}"] = parameter
            for moment, value in self.optimiser.state[parameter].items():
                tensors[f"{moment}.{name}"] = value
        return tensors

    def _restore(self, folder: Path) -> None:
        tensors, state = checkpoints.load_checkpoint(folder)
        self.step, self.samples = state["step"], state["samples"]
        self.seconds = state["seconds"]
        with torch.no_grad():
            for name, x in self.average.items():
                x.copy_(tensors[f"average.{name}"])
            for name, parameter in self.network.named_parameters():
                parameter.copy_(tensors[f"weight.{name}"])
                self.optimiser.state[parameter] = {
                    moment: tensors[f"{moment}.{name}"].to(
                        "cpu" if moment == "step" else parameter.device
                    )
                    for moment in ("step", "exp_avg", "exp_avg_sq")
                    if f"{moment}.{name}" in tensors
                }


def learning_rate(done: float, step: int, warmup: int) -> float:
    """Share of the full rate: a linear warm-up, then half a cosine down to 1 %."""
    cosine = 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
    return min(1.0, (step + 1) / warmup) * cosine


def _fabric(settings: Settings) -> Fabric:
    # torchrun says through the environment how many processes there are; alone there is one.
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UnshineError("PyTorch finds no CUDA device here; choose --device cpu.")
    precision = settings.precision
    if precision == "auto":
        fast = settings.device != "cpu" and torch.cuda.is_available()
        precision = "bf16" if fast or _cpu_has_bf16() else "32"
    for name in ("lightning.fabric", "lightning.pytorch"):  # which of them speaks, varies
        logging.getLogger(name).setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=settings.device,
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision="bf16-mixed" if precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


def _cpu_has_bf16() -> bool:
    """Whether bf16 arithmetic is in the processor; emulated, it is slower than float32."""
    try:
        return "bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _stream(settings: Settings, fabric: Fabric, step: int) -> Iterator[Tuples]:
    # Other tuples on each process, and after a resumption others than before it.
    seed = (settings.seed * 1_000_003 + step) * fabric.world_size + fabric.global_rank
    if fabric.device.type == "cuda":
        return iter(ProceduralStream(settings.size, settings.batch, seed, fabric.device))
    stream = ProceduralStream(settings.size, settings.batch, seed, torch.device("cpu"), reuse=2)
    loader: DataLoader[Tuples] = DataLoader(
        stream, batch_size=None, num_workers=1, prefetch_factor=4, worker_init_fn=_one_thread
    )
    return iter(loader)


def _one_thread(_: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _append(path: Path, row: dict[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow({n: f"{v:.6g}" if isinstance(v, float) else v for n, v in row.items()})
