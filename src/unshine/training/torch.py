"""Training in PyTorch, on Lightning Fabric: a laptop's CPU, one GPU, or many."""

import copy
import logging
import os
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from unshine.data import readers
from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.networks import NETWORKS, in_its_space
from unshine.networks.weights import load_weights, save_weights
from unshine.pixels import Floats
from unshine.training import checkpoints, loop, validation
from unshine.training.recipes import Recipe, ema_decay
from unshine.training.settings import Settings
from unshine.training.torch_data import stream

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam remembers of each parameter."""


def train(settings: Settings) -> Path:
    """Train a network.

    Returns
    -------
    Path
        The weights, ``weights.safetensors`` in the output folder, beside ``log.csv``,
        ``validation.csv``, ``curves.png``, ``sheet.png`` and the folder ``checkpoint``.
    """
    # Denormals slow CPUs down tenfold. The setting is each thread's own and inherited by those
    # that it starts, so it comes before the first parallel operation.
    torch.set_flush_denormal(True)
    try:
        fabric = make_fabric(settings)
        fabric.seed_everything(settings.seed, verbose=False)
        if settings.validate_on:
            readers.find(settings.validate_on)  # or say that there is nothing
        run = Run(settings, fabric)
        batches = stream(settings, fabric.device, run.step, fabric.global_rank, fabric.world_size)
        try:
            loop.run_loop(run, batches)
        finally:
            batches.close()
    finally:
        torch.set_flush_denormal(False)
    return settings.output / "weights.safetensors"


class Run(loop.Run):
    """The state of a run: everything that a checkpoint must hold."""

    framework = "torch"

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        super().__init__(settings, fabric.is_global_zero)
        recipe, self.fabric = self.recipe, fabric
        network: nn.Module = recipe.build("torch", settings.seed)
        # Without a decay, it is Adam.
        optimiser = torch.optim.AdamW(
            network.parameters(), recipe.rate, recipe.betas, weight_decay=recipe.weight_decay
        )
        if self.weights:
            load_weights(self.weights, network)
        self.network = network
        self.model, self.optimiser = fabric.setup(network, optimiser)
        if recipe.forward:
            self.model.mark_forward_method(recipe.forward)
        self.ema_network = copy.deepcopy(network) if recipe.ema else network
        if self.checkpoint:
            self._restore(self.checkpoint)

    def mean_seconds(self) -> float:
        """Return how long the run has taken, the same on all processes."""
        return float(self.fabric.broadcast(self.seconds))

    def losses(self, truth: Layers[Tensor]) -> dict[str, Tensor]:
        """Run the network on a batch and compare."""
        forward = getattr(self.model, self.recipe.forward) if self.recipe.forward else self.model
        return self.recipe.losses(forward(truth.image)._asdict(), truth.given())

    def train_step(self, truth: Layers[Tensor]) -> None:
        """Take one step on a batch."""
        rate = self.next_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        terms = self.losses(truth)
        self.optimiser.zero_grad()
        self.fabric.backward(terms["total"])
        norm = None
        if self.recipe.max_norm:
            norm = self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.recipe.max_norm, error_if_nonfinite=False
            )
        # A single batch out of range must not end a training of days.
        if norm is None or norm.isfinite():
            self.optimiser.step()
        self.step += 1
        self.samples += truth.image.shape[0] * self.fabric.world_size
        if self.recipe.ema:
            ema, current = (
                [x.detach() for x in network.state_dict().values()]
                for network in (self.ema_network, self.network)
            )
            torch._foreach_lerp_(ema, current, 1 - ema_decay(self.step, self.recipe.ema))
        self.recent.append({name: term.detach() for name, term in terms.items()})

    def engine(self) -> validation.TrainingEngine:
        """Wrap the weights that are to be kept as an engine."""
        return engine(self.ema_network, self.recipe, self.fabric.device)

    def save_weights(self, path: Path) -> None:
        """Write the weights that are to be kept."""
        save_weights(path, self.ema_network)

    def save_checkpoint(self, folder: Path) -> None:
        """Write all that is needed to go on as if never stopped."""
        checkpoints.save_checkpoint(folder, self.tensors(), self.state())

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that changes: weights, averaged weights, Adam's moments."""
        tensors = {}
        if self.recipe.ema:
            tensors = {f"average.{name}": x for name, x in self.ema_network.state_dict().items()}
        tensors |= {f"weight.{name}": x for name, x in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for moment, value in self.optimiser.state[parameter].items():
                tensors[f"{moment}.{name}"] = value
        return tensors

    def _restore(self, folder: Path) -> None:
        tensors, state = checkpoints.load_checkpoint(folder)
        self.restore_position(state)
        for name, parameter in self.network.named_parameters():
            self.optimiser.state[parameter] = {
                moment: tensors[f"{moment}.{name}"].to(
                    "cpu" if moment == "step" else parameter.device
                )
                for moment in MOMENTS
                if f"{moment}.{name}" in tensors
            }
        with torch.no_grad():
            for name, x in self.tensors().items():
                if name.startswith(("average.", "weight.")):
                    x.copy_(tensors[name])


def engine(network: nn.Module, recipe: Recipe, device: torch.device) -> validation.TrainingEngine:
    """Wrap a network that is being trained as an engine."""
    architecture = NETWORKS[recipe.network]

    def run(image: Floats) -> dict[str, Floats]:
        network.eval()
        with torch.no_grad():
            outputs = network(torch.from_numpy(image).to(device))
        return {
            name: in_its_space(architecture, name, x.float().cpu().numpy())
            for name, x in outputs._asdict().items()
        }

    return validation.TrainingEngine(run, recipe.outputs, architecture, str(device))


def make_fabric(settings: Settings) -> Fabric:
    """Start Fabric on the device of the settings, or say why not."""
    if settings.device == "ascend":
        raise UnshineError("PyTorch knows no device ascend here; choose auto, cpu or cuda.")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UnshineError("PyTorch finds no CUDA device here; choose the device cpu.")
    # torchrun says through the environment how many processes there are; alone there is one.
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    precision = settings.precision
    if precision == "auto":
        fast = settings.device != "cpu" and torch.cuda.is_available()
        mixed = settings.recipe.mixed_precision and (fast or _cpu_has_bf16())
        precision = "bf16" if mixed else "32"
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
