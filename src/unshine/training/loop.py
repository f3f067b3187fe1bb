"""The PyTorch training loop, on Lightning Fabric: a laptop's CPU, one GPU, or many."""

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from unshine.data.item import Floats
from unshine.engines import in_its_space
from unshine.errors import UnshineError
from unshine.networks import Network, three_stage, tshrnet
from unshine.networks.three_stage.torch import ThreeStage
from unshine.networks.tshrnet.torch import TSHRNet
from unshine.networks.weights import load_weights, save_weights
from unshine.training import checkpoints, validation
from unshine.training.losses import losses, paper_losses
from unshine.training.record import follow, scored
from unshine.training.settings import Settings, learning_rate
from unshine.training.stream import Truth, stream


def train(settings: Settings) -> Path:
    """Train our network, or the paper's with the recipe ``paper``.

    Returns
    -------
    Path
        The weights (ours averaged over the last steps), ``weights.safetensors`` in the output
        folder, beside ``log.csv``, ``validation.csv``, ``curves.png``, ``sheet.png`` and the folder
        ``checkpoint``.
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
    if settings.validate_on:
        validation.check(settings.validate_on)
    run = _Run(settings, fabric)
    place = (run.step, fabric.global_rank, fabric.world_size)
    tuples = stream(settings, fabric.device, *place)
    try:
        follow(run, tuples, fabric.is_global_zero)
    finally:
        tuples.close()
    return settings.output / "weights.safetensors"


class _Run:
    """The state of a run: everything that a checkpoint must hold."""

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        self.settings, self.fabric = settings, fabric
        self.step, self.samples, self.seconds, self.rate = 0, 0, 0.0, 0.0
        self.recent: list[dict[str, Tensor]] = []
        network, optimiser = _paper(settings) if self.paper else _ours(settings)
        start = settings.init
        if settings.resume and checkpoints.holds_weights_alone(settings.resume):
            fabric.print(f"{settings.resume} holds weights and no optimiser state: it starts anew.")
            start = settings.resume
        if start:
            load_weights(start, network)
        self.network = network
        self.model, self.optimiser = fabric.setup(network, optimiser)
        self.average = {name: x.detach().clone() for name, x in network.state_dict().items()}
        if self.paper:
            # BatchNorm's statistics belong to one set of weights, not to a mean of many.
            self.average = {}
            self.model.mark_forward_method("normalised")
        if settings.resume and settings.resume != start:
            self._restore(settings.resume)

    @property
    def paper(self) -> bool:
        """Whether this is the paper's recipe."""
        return self.settings.recipe == "paper"

    def done(self) -> float:
        """How much of the run is over, from 0 to 1; the same on all processes."""
        if self.settings.samples is not None:
            return self.samples / self.settings.samples
        seconds = self.fabric.broadcast(self.seconds)
        return float(seconds) / (60 * (self.settings.minutes or 1))

    def losses(self, truth: Truth) -> dict[str, Tensor]:
        """Run the network on a batch and compare."""
        if self.paper:
            return paper_losses(self.model.normalised(truth.image), truth)
        return losses(self.model(truth.image), truth)

    def learn(self, truth: Truth) -> None:
        """Take one step."""
        share = learning_rate(self.done(), self.step, self.settings.warmup)
        self.rate = self.settings.rate * share
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.network.train()
        terms = self.losses(truth)
        self.optimiser.zero_grad()
        self.fabric.backward(terms["total"])
        if not self.paper:
            self.fabric.clip_gradients(self.model, self.optimiser, max_norm=3.0)
        self.optimiser.step()
        self.step += 1
        self.samples += truth.image.shape[0] * self.fabric.world_size
        if self.average:
            # Short at first, so that the average does not remember the untrained network.
            decay = min(self.settings.averaging, (1 + self.step) / (10 + self.step))
            current = [x.detach() for x in self.network.state_dict().values()]
            torch._foreach_lerp_(list(self.average.values()), current, 1 - decay)
        self.recent.append({name: term.detach() for name, term in terms.items()})

    def keep(self) -> None:
        """Validate the weights, and write them, the sheet, the curves, a checkpoint."""
        folder, network = self.settings.output, self.network
        if self.average:
            network = ThreeStage(three_stage.FAST)
            network.load_state_dict(self.average)
            network.to(self.fabric.device)
        scores, sheet = validation.validate(
            engine(network, self.fabric.device), **validation.choices(self.settings)
        )
        scored(self, scores, sheet)
        save_weights(folder / "weights.safetensors", network)
        checkpoints.save_checkpoint(folder / "checkpoint", self._tensors(), self._state())
        words = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        self.fabric.print(f"{self.samples} samples: {words}")

    def _state(self) -> dict[str, Any]:
        settings = {name: str(value) for name, value in asdict(self.settings).items()}
        done = {"step": self.step, "samples": self.samples, "seconds": self.seconds}
        return done | {"settings": settings}

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"average.{name}": x for name, x in self.average.items()}
        tensors |= {f"weight.{name}": x for name, x in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
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
            for name, x in self.network.state_dict().items():
                x.copy_(tensors[f"weight.{name}"])
            for name, parameter in self.network.named_parameters():
                self.optimiser.state[parameter] = {
                    moment: tensors[f"{moment}.{name}"].to(
                        "cpu" if moment == "step" else parameter.device
                    )
                    for moment in ("step", "exp_avg", "exp_avg_sq")
                    if f"{moment}.{name}" in tensors
                }


def _ours(settings: Settings) -> tuple[ThreeStage, torch.optim.Optimizer]:
    network = ThreeStage(three_stage.FAST)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.rate, betas=(0.9, 0.99), weight_decay=0.01
    )
    return network, optimiser


def _paper(settings: Settings) -> tuple[TSHRNet, torch.optim.Optimizer]:
    network = TSHRNet(settings.variant, settings.seed, settings.width)
    optimiser = torch.optim.Adam(network.parameters(), settings.rate, betas=(0.5, 0.999))
    return network, optimiser


def engine(network: nn.Module, device: torch.device) -> validation.Engine:
    """Wrap a network that is being trained as an engine."""
    names: tuple[str, ...]
    kind: Network
    kind, names = three_stage, three_stage.OUTPUTS
    if isinstance(network, TSHRNet):
        kind, names = tshrnet, tshrnet.OUTPUTS[network.variant]

    def run(image: Floats) -> Sequence[Floats]:
        network.eval()
        with torch.no_grad():
            outputs = network(torch.from_numpy(image).to(device))
        # ThreeStage's last outputs are for its losses alone.
        named = zip(names, outputs, strict=False)
        return [in_its_space(kind, name, x.float().cpu().numpy()) for name, x in named]

    return validation.Engine(run, names)


def _fabric(settings: Settings) -> Fabric:
    if settings.device not in ("auto", "cpu", "cuda"):
        raise UnshineError(f"There is no device {settings.device!r}; choose auto, cpu or cuda.")
    # torchrun says through the environment how many processes there are; alone there is one.
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UnshineError("PyTorch finds no CUDA device here; choose --device cpu.")
    precision = settings.precision
    if precision == "auto" and settings.recipe == "paper":
        precision = "32"
    elif precision == "auto":
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
