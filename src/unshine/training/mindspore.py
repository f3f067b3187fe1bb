"""The MindSpore training loop: graph mode, its own datasets, optimiser and checkpoints.

`loop.py` part by part: the same recipes, losses, learning rate, logs and sheets.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.communication import get_group_size, get_rank, init
from mindspore.dataset import GeneratorDataset
from numpy.typing import NDArray

from unshine.data.item import Floats
from unshine.engines import in_its_space
from unshine.engines.mindspore import use
from unshine.errors import UnshineError
from unshine.networks import Network, three_stage, tshrnet
from unshine.networks.three_stage import mindspore as three_stage_cells
from unshine.networks.tshrnet import mindspore as tshrnet_cells
from unshine.networks.weights import Weights, read_weights, write_weights
from unshine.training import checkpoints, validation
from unshine.training.adam_mindspore import Adam
from unshine.training.disk import batches
from unshine.training.losses import WEIGHTS, losses, paper_losses
from unshine.training.record import follow, scored, when
from unshine.training.settings import FIELDS, Settings, learning_rate

MAX_NORM = 3.0
"""Longer gradients are shortened to this; not in the paper's recipe."""

WEIGHT_DECAY = 0.01
"""Likewise not in the paper's recipe."""

EPOCH = 1_000_000
"""Batches after which a dataset begins again."""


def train(settings: Settings) -> Path:
    """Train our network, or the paper's with the recipe ``paper``; see `loop.train`."""
    makes = settings.procedural or settings.relight or not settings.validate_on
    if makes and find_spec("torch") is None:
        raise UnshineError(
            "Tuples are made and lit with PyTorch, which is missing: name some on disk with --data"
            ' and --validate-on, or: pip install "unshine[train]".'
        )
    _use(settings)
    if settings.validate_on:
        validation.check(settings.validate_on)
    rank, world = 0, 1
    # msrun says through the environment that there are several processes.
    if "MS_WORKER_NUM" in os.environ:
        init()
        rank, world = get_rank(), get_group_size()
    run = _Run(settings, world)
    follow(run, stream(settings, run.step * world + rank, world), rank == 0)
    return settings.output / "weights.safetensors"


class _Run:
    """The state of a run: everything that a checkpoint must hold."""

    def __init__(self, settings: Settings, world: int = 1) -> None:
        self.settings, self.world = settings, world
        self.step, self.samples, self.seconds, self.rate = 0, 0, 0.0, 0.0
        self.recent: list[dict[str, Any]] = []
        self.paper = settings.recipe == "paper"
        mindspore.set_seed(settings.seed)
        self.network = _network(settings)
        start = settings.init
        if settings.resume and checkpoints.holds_weights_alone(settings.resume):
            start = settings.resume
            print(f"{start} holds weights and no optimiser state: it starts anew.")  # noqa: T201
        if start:
            _fill(self.network, start)
        self.parameters = self.network.trainable_params()
        betas = (0.5, 0.999) if self.paper else (0.9, 0.99)
        self.optimiser = Adam(self.parameters, settings.rate, betas)
        # BatchNorm's statistics belong to one set of weights, not to a mean of many.
        self.average = [] if self.paper else [_copy("average", x) for x in self.parameters]
        if settings.resume and settings.resume != start:
            self._restore(settings.resume)
        named = tshrnet.OUTPUTS[settings.variant] if self.paper else WEIGHTS
        self.terms = (*named, "total")
        self.judged = _network(settings).set_train(False)
        self._judge = mindspore.jit(self.judged.construct)
        self.network.set_train()
        self._step = _compiled(self)

    def done(self) -> float:
        """How much of the run is over, from 0 to 1; the same on all processes."""
        if self.settings.samples is not None:
            return self.samples / self.settings.samples
        seconds = Tensor(np.float32(self.seconds))
        if self.world > 1:
            seconds = _sum(seconds) / self.world
        return float(seconds) / (60 * (self.settings.minutes or 1))

    def learn(self, truth: Sequence[Floats]) -> None:
        """Take one step."""
        share = learning_rate(self.done(), self.step, self.settings.warmup)
        self.rate = self.settings.rate * share
        # Short at first, so that the average does not remember the untrained network.
        decay = min(self.settings.averaging, (2 + self.step) / (11 + self.step))
        numbers = [Tensor(x, mindspore.float32) for x in (self.rate, decay)]
        terms = self._step(*numbers, *map(Tensor, truth))
        self.step += 1
        self.samples += len(truth[0]) * self.world
        self.recent.append(dict(zip(self.terms, terms, strict=True)))

    def keep(self) -> None:
        """Validate the weights, and write them, the sheet, the curves, a checkpoint."""
        folder = self.settings.output
        self.judge()
        tensors = _tensors(self.judged)
        scored(self, *validation.validate(self.engine(), **validation.choices(self.settings)))
        kind: Any = "tshrnet" if self.paper else "three_stage"
        variant = self.settings.variant if self.paper else ""
        write_weights(folder / "weights.safetensors", Weights(kind, tensors, variant))
        with checkpoints.replacing(folder / "checkpoint") as new:
            saved = [{"name": x.name, "data": x} for x in self._parameters()]
            mindspore.save_checkpoint(saved, str(new / "state.ckpt"))
            settings = {name: str(value) for name, value in asdict(self.settings).items()}
            state = when(self) | {"framework": "mindspore", "settings": settings}
            (new / "state.json").write_text(json.dumps(state, indent=1))

    def judge(self) -> None:
        """Take the weights as they are for the ones that are validated and written."""
        best = self.average or self.network.get_parameters()
        for parameter, value in zip(self.judged.get_parameters(), best, strict=True):
            # A compiled graph does not notice `set_data`.
            ops.assign(parameter, value)

    def engine(self) -> validation.Engine:
        """Wrap the weights that were last judged as an engine."""
        kind: Network = tshrnet if self.paper else three_stage
        names = tshrnet.OUTPUTS[self.settings.variant] if self.paper else three_stage.OUTPUTS

        def run(image: Floats) -> Sequence[Floats]:
            # ThreeStage's last outputs are for its losses alone.
            outputs = zip(names, self._judge(Tensor(image)), strict=False)
            return [in_its_space(kind, name, output.asnumpy()) for name, output in outputs]

        return validation.Engine(run, names)

    def _parameters(self) -> list[Parameter]:
        """Everything that changes, once each."""
        whole = (*self.network.get_parameters(), *self.optimiser.get_parameters(), *self.average)
        return list({parameter.name: parameter for parameter in whole}.values())

    def _restore(self, folder: Path) -> None:
        state = checkpoints.load_state(folder, "mindspore")
        self.step, self.samples = state["step"], state["samples"]
        self.seconds = state["seconds"]
        try:
            saved = mindspore.load_checkpoint(str(folder / "state.ckpt"))
        except (ValueError, RuntimeError) as error:
            raise UnshineError(f"{folder}: the checkpoint is damaged.") from error
        for parameter in self._parameters():
            parameter.set_data(saved[parameter.name])


def gradients_of(network: nn.Cell, paper: bool) -> Callable[..., Any]:
    """Make the function from a batch's fields to ``((total, terms), gradients)``.

    The terms are a tuple, with the total as its last, in the order in which `losses` names them.
    """

    def forward(*truth: Tensor) -> Any:
        if paper:
            terms = paper_losses(network.normalised(truth[0]), truth)
        else:
            terms = losses(network(truth[0]), truth)
        # Graphs that return dictionaries do not always compile.
        return terms["total"], tuple(terms.values())

    return mindspore.value_and_grad(forward, None, network.trainable_params(), has_aux=True)


def _compiled(run: _Run) -> Callable[..., tuple[Tensor, ...]]:
    """Make one step a graph; it returns the loss terms."""
    world, paper = run.world, run.paper
    parameters, averages = ParameterTuple(run.parameters), ParameterTuple(run.average)
    gradients = gradients_of(run.network, paper)
    optimiser, each = run.optimiser, ops.HyperMap()
    nothing = (0.0,) * len(parameters)

    @mindspore.jit
    def step(rate: Tensor, decay: Tensor, *truth: Tensor) -> tuple[Tensor, ...]:
        (_, terms), found = gradients(*truth)
        if world > 1:
            found = each(ops.partial(_shared, world), found)
        if not paper:
            norm = ops.addn(each(_energy, found)).sqrt()
            scale = (MAX_NORM / (norm + 1e-6)).clip(None, 1)
            found = each(ops.partial(_scaled, scale), found)
            # AdamW: the decay is Adam's companion, not part of the gradient.
            each(ops.partial(_drawn, WEIGHT_DECAY * rate), parameters, nothing)
        ops.assign(optimiser.learning_rate, rate)
        optimiser(found)
        if not paper:
            each(ops.partial(_drawn, 1 - decay), averages, parameters)
        return terms

    return step


# Applied to each tensor by HyperMap: loops in graphs are unrolled too deeply for many tensors.


def _shared(world: int, gradient: Tensor) -> Tensor:
    return _sum(gradient) / world


def _energy(gradient: Tensor) -> Tensor:
    return gradient.square().sum()


def _scaled(scale: Tensor, gradient: Tensor) -> Tensor:
    return gradient * scale


def _drawn(share: Tensor, parameter: Parameter, towards: Tensor | float) -> bool:
    """Move a parameter some way towards another, or towards 0."""
    ops.assign(parameter, parameter + share * (towards - parameter))
    return True


def _sum(tensor: Tensor) -> Tensor:
    """Add up over all processes."""
    return ops.AllReduce()(tensor)


def _use(settings: Settings) -> None:
    device = use(settings.device)
    if settings.precision == "bf16" and device == "cpu":
        raise UnshineError("MindSpore has bf16 on Ascend alone; choose --precision 32.")
    mindspore.set_context(mode=mindspore.GRAPH_MODE)


def _network(settings: Settings) -> nn.Cell:
    network: nn.Cell
    if settings.recipe == "paper":
        network = tshrnet_cells.TSHRNet(settings.variant, settings.seed, settings.width)
    else:
        network = three_stage_cells.ThreeStage(three_stage.FAST)
    precision = settings.precision
    if precision == "auto":
        ascend = mindspore.get_context("device_target") == "Ascend"
        precision = "bf16" if ascend and settings.recipe != "paper" else "32"
    if precision == "bf16":
        network = mindspore.amp.auto_mixed_precision(network, "auto", mindspore.bfloat16)
    return network


def _load(network: nn.Cell, tensors: dict[str, NDArray[Any]]) -> None:
    load = tshrnet_cells.load if _is_paper(network) else three_stage_cells.load
    load(network, tensors)


def _tensors(network: nn.Cell) -> dict[str, NDArray[Any]]:
    """Everything that a network has learnt, under PyTorch's names."""
    if _is_paper(network):
        return tshrnet_cells.tensors(network)
    return {parameter.name: parameter.asnumpy() for parameter in network.get_parameters()}


def _is_paper(network: nn.Cell) -> bool:
    return isinstance(network, tshrnet_cells.TSHRNet)


def _fill(network: nn.Cell, path: Path) -> None:
    weights = read_weights(path)
    if (weights.network == "tshrnet") != _is_paper(network):
        raise UnshineError(f"{path} holds the weights of another network than this one.")
    _load(network, weights.tensors)


def _copy(prefix: str, parameter: Parameter) -> Parameter:
    values = Tensor(parameter.asnumpy().copy())
    return Parameter(values, name=f"{prefix}.{parameter.name}", requires_grad=False)


def stream(settings: Settings, first: int = 0, stride: int = 1) -> Iterator[tuple[Floats, ...]]:
    """Make the batches of a run, from number `first` on, each `stride`-th."""
    parts = []
    if settings.procedural:
        parts.append(_pipeline(settings, _Made(settings), first, stride))
    if settings.folders:
        parts.append(_pipeline(settings, _Stored(settings), first, stride))
    return _mixed(parts)


def _mixed(parts: list[GeneratorDataset]) -> Iterator[tuple[Floats, ...]]:
    iterators = [part.create_tuple_iterator(output_numpy=True) for part in parts]
    while True:
        for rows in zip(*iterators, strict=True):
            for row in rows:
                if error := str(row[-1]):
                    raise UnshineError(error)
            fields = [row[:-1] for row in rows]
            yield tuple(np.concatenate(field) for field in zip(*fields, strict=True))


def _pipeline(settings: Settings, read: Any, first: int, stride: int) -> GeneratorDataset:
    return GeneratorDataset(
        _Numbered(read, len(FIELDS[settings.target]), first, stride),
        [*FIELDS[settings.target], "error"],
        shuffle=False,  # that is for `Batches` to do, which knows the epochs
        num_parallel_workers=max(settings.readers, 1),
        python_multiprocessing=settings.readers > 1,
    )


class _Numbered:
    """Batches by their number, as `GeneratorDataset` reads them: the fields, then an error.

    The error travels as text, since MindSpore would wrap an exception in a page of its own.
    """

    def __init__(self, read: Any, fields: int, first: int, stride: int) -> None:
        self.read, self.fields, self.first, self.stride = read, fields, first, stride

    def __len__(self) -> int:
        return EPOCH

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        try:
            fields = self.read(self.first + int(index) * self.stride)
        except UnshineError as error:
            nothing = np.zeros(1, np.float32)
            return (*[nothing] * self.fields, np.array(str(error)))
        return (*fields, np.array(""))


class _Stored:
    """Reads batches from disk; lights them anew with PyTorch where that is asked for."""

    def __init__(self, settings: Settings) -> None:
        self.read = _lit(settings) if settings.relight else batches(settings).__getitem__

    def __call__(self, number: int) -> Sequence[Floats]:
        return self.read(number)


def _lit(settings: Settings) -> Callable[[int], Sequence[Floats]]:
    from unshine.training.stream import DiskStream

    stream = DiskStream(settings)

    def read(number: int) -> Sequence[Floats]:
        truth = stream[number]
        if isinstance(truth, UnshineError):
            raise truth
        return [x.numpy() for x in truth]

    return read


class _Made:
    """Makes procedural batches with PyTorch; each process has a stream of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stream: Iterator[Any] | None = None

    def __call__(self, number: int) -> Sequence[Floats]:
        import torch

        from unshine.training.stream import ProceduralStream

        if self.stream is None:
            torch.set_num_threads(1)
            settings = self.settings
            seed = settings.seed * 1_000_003 + number
            paper = settings.recipe == "paper"
            cpu = torch.device("cpu")
            self.stream = iter(
                ProceduralStream(settings.size, settings.procedural, seed, cpu, 2, paper)
            )
        return [x.numpy() for x in next(self.stream)]
