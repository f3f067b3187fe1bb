"""Training in MindSpore: graph mode, its own datasets, optimiser and checkpoints."""

import json
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.communication import get_group_size, get_rank, init

from unshine import extras
from unshine.data import readers
from unshine.engines.mindspore import use
from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.networks import NETWORKS, in_its_space
from unshine.networks.weights import Weights, read_weights, write_weights
from unshine.pixels import Floats
from unshine.training import checkpoints, loop, validation
from unshine.training.adam_mindspore import Adam
from unshine.training.mindspore_data import stream
from unshine.training.recipes import Recipe, ema_decay
from unshine.training.settings import Settings


def train(settings: Settings) -> Path:
    """Train a network; see `training.torch.train`."""
    made = any(source.kind != "tuples" for source in settings.sources)
    if (made or settings.relight or not settings.validate_on) and find_spec("torch") is None:
        # Tuples are made and lit with PyTorch, those of validation too.
        raise extras.missing("torch", "train")
    use_device(settings)
    if settings.validate_on:
        readers.find(settings.validate_on)  # or say that there is nothing
    rank, world = 0, 1
    # msrun says through the environment that there are several processes.
    if "MS_WORKER_NUM" in os.environ:
        init()
        rank, world = get_rank(), get_group_size()
    run = Run(settings, rank, world)
    loop.run_loop(run, stream(settings, run.step * world + rank, world))
    return settings.output / "weights.safetensors"


class Run(loop.Run):
    """The state of a run: everything that a checkpoint must hold."""

    framework = "mindspore"

    def __init__(self, settings: Settings, rank: int = 0, world: int = 1) -> None:
        super().__init__(settings, rank == 0)
        recipe, self.world = self.recipe, world
        mindspore.set_seed(settings.seed)
        self.network = _build(settings)
        if self.weights:
            _fill(self.network, self.weights, recipe)
        self.parameters = self.network.trainable_params()
        self.optimiser = Adam(self.parameters, recipe.rate, recipe.betas)
        self.ema = [_copy("average", x) for x in self.parameters] if recipe.ema else []
        if self.checkpoint:
            self._restore(self.checkpoint)
        self.terms = _names_of_terms(recipe)
        self.ema_network = _build(settings).set_train(False)
        self._infer = mindspore.jit(self.ema_network.construct)
        self.network.set_train()
        self._step = _compile_step(self)

    def mean_seconds(self) -> float:
        """Return how long the run has taken, the same on all processes."""
        seconds = Tensor(np.float32(self.seconds))
        return float(_all_reduce_mean(self.world, seconds) if self.world > 1 else seconds)

    def train_step(self, truth: Layers[Floats]) -> None:
        """Take one step on a batch."""
        rate, decay = self.next_rate(), ema_decay(self.step + 1, self.recipe.ema)
        numbers = [Tensor(x, mindspore.float32) for x in (rate, decay)]
        arrays = [Tensor(getattr(truth, name)) for name in self.recipe.truth]
        terms = self._step(*numbers, *arrays)
        self.step += 1
        self.samples += len(truth.image) * self.world
        self.recent.append(dict(zip(self.terms, terms, strict=True)))

    def update_ema_network(self) -> None:
        """Give the network that is validated and written the averaged weights, or the latest."""
        averages = {x.name: y for x, y in zip(self.parameters, self.ema, strict=False)}
        both = zip(self.ema_network.get_parameters(), self.network.get_parameters(), strict=True)
        for parameter, latest in both:
            # A compiled graph does not notice `set_data`.
            ops.assign(parameter, averages.get(latest.name, latest))

    def engine(self) -> validation.TrainingEngine:
        """Wrap the weights that are to be kept as an engine."""
        self.update_ema_network()
        network, names = NETWORKS[self.recipe.network], self.recipe.outputs

        def run(image: Floats) -> dict[str, Floats]:
            outputs = zip(names, self._infer(Tensor(image)), strict=True)
            return {name: in_its_space(network, name, x.asnumpy()) for name, x in outputs}

        return validation.TrainingEngine(run, names, network, self.settings.device)

    def save_weights(self, path: Path) -> None:
        """Write the weights that `engine` last wrapped."""
        tensors = self.recipe.module("mindspore").tensors(self.ema_network)
        write_weights(path, Weights(self.recipe.network, tensors, self.recipe.variant))

    def save_checkpoint(self, folder: Path) -> None:
        """Write all that is needed to go on as if never stopped."""
        with checkpoints.replacing(folder) as new:
            saved = [{"name": x.name, "data": x} for x in self.state_parameters()]
            mindspore.save_checkpoint(saved, str(new / "state.ckpt"))
            (new / "state.json").write_text(json.dumps(self.state(), indent=1))

    def state_parameters(self) -> list[Parameter]:
        """Return everything that changes, once each."""
        whole = (*self.network.get_parameters(), *self.optimiser.get_parameters(), *self.ema)
        return list({parameter.name: parameter for parameter in whole}.values())

    def _restore(self, folder: Path) -> None:
        self.restore_position(checkpoints.load_state(folder, "mindspore"))
        try:
            saved = mindspore.load_checkpoint(str(folder / "state.ckpt"))
        except (ValueError, RuntimeError) as error:
            raise UnshineError(f"{folder}: the checkpoint is damaged.") from error
        for parameter in self.state_parameters():
            parameter.set_data(saved[parameter.name])


def gradients_of(network: nn.Cell, recipe: Recipe) -> Callable[..., Any]:
    """Make the function from a batch's arrays to ``((total, terms), gradients)``.

    The arrays are those that `recipe.truth` names, in its order. The terms are a tuple, with the
    total as its last, in the order in which the losses name them.
    """
    forward = getattr(network, recipe.forward) if recipe.forward else network
    losses, layers, outputs = recipe.losses, recipe.truth, recipe.outputs

    def compare(*arrays: Tensor) -> Any:
        truth = _named(layers, arrays)
        terms = losses(_named(outputs, forward(truth["image"])), truth)
        # Graphs that return dictionaries do not always compile.
        return terms["total"], tuple(terms.values())

    return mindspore.value_and_grad(compare, None, network.trainable_params(), has_aux=True)


def _named(names: Sequence[str], values: Sequence[Tensor]) -> dict[str, Tensor]:
    """As `dict` of `zip` does, which graphs do not pass gradients through."""
    found = {}
    for index in range(len(names)):
        found[names[index]] = values[index]
    return found


def _compile_step(run: Run) -> Callable[..., tuple[Tensor, ...]]:
    """Make one step a graph; it returns the loss terms."""
    world, recipe = run.world, run.recipe
    max_norm, weight_decay = recipe.max_norm, recipe.weight_decay
    parameters, averages = ParameterTuple(run.parameters), ParameterTuple(run.ema)
    gradients = gradients_of(run.network, recipe)
    optimiser, each = run.optimiser, ops.HyperMap()
    nothing = (0.0,) * len(parameters)

    @mindspore.jit
    def step(rate: Tensor, decay: Tensor, *truth: Tensor) -> tuple[Tensor, ...]:
        (_, terms), found = gradients(*truth)
        if world > 1:
            found = each(ops.partial(_all_reduce_mean, world), found)
        if max_norm:
            norm = ops.addn(each(_squared_norm, found)).sqrt()
            scale = (max_norm / (norm + 1e-6)).clip(None, 1)
            found = each(ops.partial(_scaled, scale, norm.isfinite()), found)
        if weight_decay:
            # AdamW: the decay is Adam's companion, not part of the gradient.
            each(ops.partial(_lerp_, weight_decay * rate), parameters, nothing)
        ops.assign(optimiser.learning_rate, rate)
        optimiser(found)
        if averages:
            each(ops.partial(_lerp_, 1 - decay), averages, parameters)
        return terms

    return step


# Applied to each tensor by HyperMap: loops in graphs are unrolled too deeply for many tensors.


def _all_reduce_mean(world: int, tensor: Tensor) -> Tensor:
    return ops.AllReduce()(tensor) / world


def _squared_norm(gradient: Tensor) -> Tensor:
    return gradient.square().sum()


def _scaled(scale: Tensor, finite: Tensor, gradient: Tensor) -> Tensor:
    """Scale a gradient; a batch out of range gives none."""
    return ops.where(finite, gradient * scale, ops.zeros_like(gradient))


def _lerp_(share: Tensor, parameter: Parameter, towards: Tensor | float) -> bool:
    """Move a parameter some way towards another, or towards 0."""
    ops.assign(parameter, parameter + share * (towards - parameter))
    return True


def use_device(settings: Settings) -> None:
    """Choose the device of the settings, or say why not."""
    device = use(settings.device)
    if settings.precision == "bf16" and device == "cpu":
        raise UnshineError("MindSpore has bf16 on Ascend alone; choose the precision 32.")
    mindspore.set_context(mode=mindspore.GRAPH_MODE)


def _build(settings: Settings) -> nn.Cell:
    network: nn.Cell = settings.recipe.build("mindspore", settings.seed)
    precision = settings.precision
    if precision == "auto":
        ascend = mindspore.get_context("device_target") == "Ascend"
        precision = "bf16" if ascend and settings.recipe.mixed_precision else "32"
    if precision == "bf16":
        network = mindspore.amp.auto_mixed_precision(network, "auto", mindspore.bfloat16)
    return network


def _names_of_terms(recipe: Recipe) -> tuple[str, ...]:
    """Return what the losses call their terms, in their order: graphs return the values alone."""
    some = Tensor(np.zeros((1, 3, 2, 2), np.float32))
    return tuple(
        recipe.losses(dict.fromkeys(recipe.outputs, some), dict.fromkeys(recipe.truth, some))
    )


def _fill(network: nn.Cell, path: Path, recipe: Recipe) -> None:
    weights = read_weights(path)
    if weights.network != recipe.network:
        raise UnshineError(f"{path} holds the weights of another network than this one.")
    recipe.module("mindspore").load(network, weights.tensors)


def _copy(prefix: str, parameter: Parameter) -> Parameter:
    values = Tensor(parameter.asnumpy().copy())
    return Parameter(values, name=f"{prefix}.{parameter.name}", requires_grad=False)
