"""The methods that are compared: ours, the classical ones, other people's."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from unshine import __version__, classical, optics
from unshine.data import item
from unshine.data.item import Example, resize_image
from unshine.errors import UnshineError
from unshine.networks import Network, three_stage
from unshine.pixels import Floats

if TYPE_CHECKING:
    from unshine.remover import Remover

Removal = Callable[[Example], Floats]
"""From an example to its result, (H, W, 3), in the space of the example."""

INPUT = "input"
RIVALS = {"tshrnet": "TSHRNet", "specularitynet": "SpecularityNet", "jshdr": "JSHDR"}
"""The paper's network and its learned rivals, whose weights others hold."""
PAD_TO = 32
"""Other people's networks get images whose sides are multiples of this; the border is repeated."""


@dataclass(frozen=True)
class Method(ABC):
    """One row; small, so that it travels between processes."""

    name: str
    title: str
    timed: ClassVar[bool] = True
    """Whether its time says anything."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes whenever the method may give other results."""

    @abstractmethod
    def load(self) -> Removal:
        """Get ready to run; what is slow about it happens once in each process."""


@dataclass(frozen=True)
class Input(Method):
    """The image as it is: what every method must beat."""

    name: str = INPUT
    title: str = "input (nothing done)"
    timed = False
    version = __version__

    def load(self) -> Removal:
        """Return the image itself."""
        return lambda example: example.image


@dataclass(frozen=True)
class Classical(Method):
    """One of `unshine.classical`, which work in linear light."""

    version = __version__

    def load(self) -> Removal:
        """Look the function up."""
        remove = classical.METHODS[self.name]

        def run(example: Example) -> Floats:
            if example.linear:
                return remove(example.image).astype(np.float32)
            return np.asarray(optics.encode(remove(optics.decode(example.image))), np.float32)

        return run


@dataclass(frozen=True)
class Ours(Method):
    """A network of this package, Unshine's or TSHRNet, or an inner layer of it."""

    weights: Path | None = None
    """The shipped ones unless given."""
    variant: str | None = None
    """Which of TSHRNet's variants, where its weights do not say."""
    layer: str = "clean"

    @property
    def version(self) -> str:
        """Of the weights, and of the variant that they are taken for."""
        from unshine.engines.onnx import DEFAULT_WEIGHTS

        return _fingerprint(self.weights or DEFAULT_WEIGHTS) + (self.variant or "")

    def load(self) -> Removal:
        """Load the network, which the rows of its layers share."""
        remover = _remover(self.weights, self.variant)
        if self.layer == "clean":
            return _for_display_values(remover.remove)
        return _for_display_values(lambda image: remover.analyse(image).layer(self.layer))


@dataclass(frozen=True)
class Foreign(Method):
    """Somebody's network as an ONNX file: 1×3×H×W in, its first output of that shape counts."""

    path: Path
    symmetric: bool = False
    """Whether its values are in [−1, 1] instead of [0, 1]."""

    @property
    def version(self) -> str:
        """Of the file, and of the range that it is run with."""
        return f"{_fingerprint(self.path)}{self.symmetric}"

    def load(self) -> Removal:
        """Load the network."""
        return _for_display_values(_load_onnx(self.path, self.symmetric))


@dataclass(frozen=True)
class Predictions(Method):
    """Somebody's results, stored under the images' names."""

    folder: Path
    timed = False

    @property
    def version(self) -> str:
        """Of the files."""
        return _fingerprint(self.folder)

    def load(self) -> Removal:
        """Results are read one by one."""
        return lambda example: _read_prediction(self.folder, example)


@dataclass(frozen=True)
class Missing:
    """A row that the table ought to have, and why it has not."""

    title: str
    reason: str


def choose(
    names: Collection[str],
    weights: Path | None = None,
    networks: Mapping[str, Path] | None = None,
    predictions: Mapping[str, Path] | None = None,
    symmetric: Collection[str] = (),
    variant: str | None = None,
) -> tuple[list[Method], list[Missing]]:
    """Turn names into methods; the input always comes first.

    Parameters
    ----------
    names : collection of str
        Of classical methods, "unshine", or "all".
    weights : Path, optional
        Other weights for Unshine than the shipped ones; or another network's, which add its rows.
    networks, predictions : mapping of str to Path
        Other people's ONNX files, and folders of their results.
    symmetric : collection of str
        Which of `networks` take and give values in [−1, 1].
    variant : str, optional
        Which of TSHRNet's variants, where its weights do not say.

    Returns
    -------
    methods : list of Method
    missing : list of Missing
        What "all" stands for but cannot be run, with the reason.

    Raises
    ------
    UnshineError
        If a name is not known, given twice, or what it names is not there.
    """
    networks, predictions = networks or {}, predictions or {}
    other: list[Method] = []
    network = _network_of(weights, variant) if weights is not None else None
    if weights is not None and network is not None and network.NAME != three_stage.NAME:
        other = _network_rows(network.NAME, network.TITLE, weights.resolve(), variant)
        weights = None
    _check_names(names, [*networks, *predictions], symmetric, {row.name for row in other})

    methods: list[Method] = [Input()]
    missing: list[Missing] = []
    every = "all" in names
    methods += [Classical(n, t) for n, t in classical.TITLES.items() if every or n in names]
    if every or "unshine" in names:
        if reason := _no_weights(weights):
            if not every:
                raise UnshineError(reason)
            missing.append(Missing("Unshine", reason))
        else:
            methods += _network_rows("unshine", "Unshine", weights, None)
    methods += other
    methods += _foreign_rows(networks, predictions, symmetric)
    if every:
        present = {method.name for method in methods}
        missing += [
            Missing(title, "no weights were given, neither an ONNX file nor a folder of results")
            for name, title in RIVALS.items()
            if name not in present
        ]
    return methods, missing


def _check_names(
    names: Collection[str], given: list[str], symmetric: Collection[str], rows: set[str]
) -> None:
    known = [*classical.METHODS, "unshine"]
    for name in names:
        if name not in (*known, "all"):
            raise UnshineError(f"There is no method {name!r}; choose all or {', '.join(known)}.")
    for name in symmetric:
        if name not in given:
            raise UnshineError(f"There is no network {name!r} among the ONNX files given.")
    for name in given:
        if name in {INPUT, *known, "unshine-diffuse", *rows} or given.count(name) > 1:
            raise UnshineError(f"The name {name!r} is taken; give this method another one.")


def _network_rows(name: str, title: str, weights: Path | None, variant: str | None) -> list[Method]:
    """The network's result, and its second stage."""
    return [
        Ours(name, title, weights, variant),
        Ours(f"{name}-diffuse", f"{title}, stage 2", weights, variant, "diffuse"),
    ]


def _foreign_rows(
    networks: Mapping[str, Path], predictions: Mapping[str, Path], symmetric: Collection[str]
) -> list[Method]:
    rows: list[Method] = []
    for name, path in networks.items():
        if not path.is_file():
            raise UnshineError(f"{path}: there is no ONNX file here.")
        rows.append(Foreign(name, RIVALS.get(name, name), path.resolve(), name in symmetric))
    for name, path in predictions.items():
        if not path.is_dir():
            raise UnshineError(f"{path}: there is no folder of results here.")
        rows.append(Predictions(name, RIVALS.get(name, name), path.resolve()))
    return rows


def _no_weights(weights: Path | None) -> str | None:
    """Say why Unshine's own network cannot run, or None."""
    from unshine.engines.onnx import DEFAULT_WEIGHTS

    path = weights or DEFAULT_WEIGHTS
    return None if path.is_file() else f"{path}: there are no weights here; give others."


def _network_of(path: Path, variant: str | None) -> Network | None:
    """Return the network that these weights are of; None if they are not there."""
    if not path.exists():
        return None
    if path.suffix == ".onnx":
        from unshine.engines.onnx import OnnxEngine

        return OnnxEngine(path, "cpu").network
    from unshine.networks.weights import read_weights

    return read_weights(path, variant).architecture


def _fingerprint(path: Path) -> str:
    """Identify a file by what it and those beside it of the same stem hold, a folder by its files.

    An ONNX file's tensors may stand beside it. A folder can be too large to be read for this: its
    files' names, sizes and times must do.
    """
    if path.is_dir():
        stats = {file: file.stat() for file in sorted(path.rglob("*")) if file.is_file()}
        parts = [f"{file}{s.st_size}{s.st_mtime_ns}\n".encode() for file, s in stats.items()]
    else:
        parts = [file.read_bytes() for file in sorted(path.parent.glob(f"{path.stem}.*"))]
    return sha256(b"".join(parts)).hexdigest()[:16]


@cache
def _remover(weights: Path | None, variant: str | None) -> "Remover":
    from unshine.remover import Remover

    return Remover(weights=weights, variant=variant)


def _for_display_values(remove: Callable[[Floats], Floats]) -> Removal:
    def run(example: Example) -> Floats:
        if not example.linear:
            return remove(example.image)
        return np.asarray(optics.decode(remove(optics.encode(example.image))), np.float32)

    return run


@cache
def _load_onnx(path: Path, symmetric: bool) -> Callable[[Floats], Floats]:
    import onnxruntime

    from unshine.cpus import available_cpus

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cpus()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no base class
        reason = str(error).splitlines()[0]
        raise UnshineError(f"{path}: this network cannot be loaded ({reason}).") from error
    given = session.get_inputs()[0]
    fixed = given.shape[2:] if all(isinstance(side, int) for side in given.shape[2:]) else None

    def remove(image: Floats) -> Floats:
        height, width = image.shape[:2]
        if fixed:
            padded = resize_image(image, (fixed[0], fixed[1]))
        else:
            margins = ((0, -height % PAD_TO), (0, -width % PAD_TO), (0, 0))
            padded = np.pad(image, margins, mode="edge")
        batch = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)
        outputs = session.run(None, {given.name: 2 * batch - 1 if symmetric else batch})
        images = [output for output in outputs if output.shape == batch.shape]
        if not images:
            raise UnshineError(f"{path}: this network returns no image of its input's size.")
        result = images[0][0].transpose(1, 2, 0)
        result = ((result + 1) / 2 if symmetric else result).clip(0, 1)
        return resize_image(result, (height, width)) if fixed else result[:height, :width]

    return remove


def _read_prediction(folder: Path, example: Example) -> Floats:
    """Read somebody's result for an image."""
    for name in (example.name, example.name.replace("/", "_")):
        for ending in item.ENDINGS:
            path = folder / f"{name}{ending}"
            if path.is_file():
                result = item.read_image(path)
                size = (example.image.shape[0], example.image.shape[1])
                if result.shape[:2] not in (size, example.stored_size):
                    raise UnshineError(
                        f"{path}: is {result.shape[1]}×{result.shape[0]}, but the image is"
                        f" {size[1]}×{size[0]}."
                    )
                return resize_image(result, size)
    raise UnshineError(f"{folder}: has no result named {example.name}.")
