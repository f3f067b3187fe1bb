"""The rows of the table: what turns a picture into one without highlights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unshine import __version__, classical, optics
from unshine.data import item
from unshine.data.item import Example, Floats, resize_image
from unshine.errors import UnshineError

if TYPE_CHECKING:
    from unshine.remover import Remover

Run = Callable[[Example], Floats]
"""From an example to its result, (H, W, 3), in the space of the example."""

INPUT = "input"
LEARNED = {"tshrnet": "TSHRNet", "specularitynet": "SpecularityNet", "jshdr": "JSHDR"}
"""The paper's network and its learned rivals, whose weights others hold."""
MULTIPLE = 32
"""Networks get pictures whose sides are multiples of this; the border is repeated outwards."""


@dataclass(frozen=True)
class Method:
    """One row; small, so that it travels between processes."""

    name: str
    title: str
    kind: str
    """One of input, classical, unshine, tshrnet, onnx, predictions."""
    source: Path | None = None
    """Weights or folder, where the kind needs one."""
    symmetric: bool = False
    """Whether an ONNX network's values are in [−1, 1] instead of [0, 1]."""
    variant: str | None = None
    """Which of TSHRNet's variants, where its weights do not say."""

    @property
    def version(self) -> str:
        """Changes whenever the method may give other results."""
        if self.kind in ("predictions", "tshrnet") and self.source:
            files = sorted(path for path in self.source.rglob("*") if path.is_file())
            files = files or [self.source]
            stamps = [f"{path}{path.stat().st_size}{path.stat().st_mtime_ns}" for path in files]
            stamps += [self.variant] if self.variant else []
            return sha256("\n".join(stamps).encode()).hexdigest()[:16]
        if self.kind == "unshine":
            from unshine.engines.onnx import DEFAULT_WEIGHTS

            # The tensors may stand in a file beside the graph.
            path = self.source or DEFAULT_WEIGHTS
            parts = sorted(path.parent.glob(f"{path.stem}.*"))
            return sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
        if self.source:
            return sha256(self.source.read_bytes()).hexdigest()[:16] + str(self.symmetric)
        return __version__

    def load(self) -> Run:
        """Get ready to run; loading happens once in each process."""
        return _load(self)


@dataclass(frozen=True)
class Missing:
    """A row that the table ought to have, and why it has not."""

    title: str
    reason: str


def choose(
    names: list[str],
    weights: Path | None = None,
    networks: dict[str, Path] | None = None,
    predictions: dict[str, Path] | None = None,
    symmetric: list[str] | None = None,
    variant: str | None = None,
) -> tuple[list[Method], list[Missing]]:
    """Turn names into methods; the input always comes first.

    Parameters
    ----------
    names : list of str
        Of classical methods, "unshine", or "all".
    weights : Path, optional
        Other weights for Unshine than the shipped ones; or TSHRNet's, which add its rows.
    networks, predictions : dict of str to Path
        Other people's ONNX files, and folders of their results.
    symmetric : list of str
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
    networks, predictions, symmetric = networks or {}, predictions or {}, symmetric or []
    known = [*classical.METHODS, "unshine"]
    for name in names:
        if name not in (*known, "all"):
            raise UnshineError(f"There is no method {name!r}; choose all or {', '.join(known)}.")
    for name in symmetric:
        if name not in networks:
            raise UnshineError(f"There is no network {name!r} among those given with --onnx.")
    tshrnet = weights if weights is not None and _holds_tshrnet(weights, variant) else None
    if tshrnet:
        weights = None
    given = [*networks, *predictions]
    taken = {INPUT, *known, "unshine-diffuse"}
    if tshrnet:
        taken |= {"tshrnet", "tshrnet-diffuse"}
    for name in given:
        if name in taken or given.count(name) > 1:
            raise UnshineError(f"The name {name!r} is taken; give this method another one.")
    wanted = known if "all" in names else [name for name in known if name in names]

    methods = [Method(INPUT, "input (nothing done)", "input")]
    missing = []
    for name in wanted:
        if name != "unshine":
            methods.append(Method(name, classical.TITLES[name], "classical"))
        elif reason := _no_unshine(weights):
            if "all" not in names:
                raise UnshineError(reason)
            missing.append(Missing("Unshine", reason))
        else:
            methods += [
                Method("unshine", "Unshine", "unshine", weights),
                Method("unshine-diffuse", "Unshine, stage 2", "unshine", weights),
            ]
    if tshrnet:
        methods += [
            Method(name, title, "tshrnet", tshrnet.resolve(), variant=variant)
            for name, title in (("tshrnet", "TSHRNet"), ("tshrnet-diffuse", "TSHRNet, stage 2"))
        ]
    for name, path in networks.items():
        if not path.is_file():
            raise UnshineError(f"{path}: there is no ONNX file here.")
        methods.append(
            Method(name, LEARNED.get(name, name), "onnx", path.resolve(), name in symmetric)
        )
    for name, path in predictions.items():
        if not path.is_dir():
            raise UnshineError(f"{path}: there is no folder of results here.")
        methods.append(Method(name, LEARNED.get(name, name), "predictions", path.resolve()))
    if "all" in names:
        for name, title in LEARNED.items():
            if name not in given and not (name == "tshrnet" and tshrnet):
                own = "--weights DIR, " if name == "tshrnet" else ""
                reason = (
                    f"no weights were given; add {own}--onnx {name}=FILE, or"
                    f" --predictions {name}=DIR with its results"
                )
                missing.append(Missing(title, reason))
    return methods, missing


def _no_unshine(weights: Path | None) -> str | None:
    """Say why Unshine's own network cannot run, or None."""
    from unshine.engines import onnx

    path = weights or onnx.DEFAULT_WEIGHTS
    return None if path.is_file() else f"{path}: there are no weights here; give --weights FILE."


def _holds_tshrnet(path: Path, variant: str | None) -> bool:
    """Say whether these weights, which need not be there, are the paper's network."""
    if not path.exists():
        return False
    if path.suffix == ".onnx":
        from unshine.engines.onnx import OnnxEngine

        return OnnxEngine(path, "cpu").network == "tshrnet"
    from unshine.networks.weights import read_weights

    return read_weights(path, variant).network == "tshrnet"


@cache
def _remover(weights: Path | None, variant: str | None) -> "Remover":
    from unshine.remover import Remover

    return Remover(weights=weights, variant=variant)


@cache
def _load(method: Method) -> Run:
    if method.kind == "input":
        return lambda example: example.image
    if method.kind == "classical":
        remove = classical.METHODS[method.name]

        def run_classical(example: Example) -> Floats:
            if example.linear:
                return remove(example.image).astype(np.float32)
            diffuse = remove(optics.decode(example.image))
            return np.asarray(optics.encode(diffuse), np.float32)

        return run_classical
    if method.kind in ("unshine", "tshrnet"):
        remover = _remover(method.source, method.variant)
        if method.name == method.kind:
            return _for_display_values(remover.remove)
        return _for_display_values(lambda image: remover.layers(image, ["diffuse"])["diffuse"])
    assert method.source
    if method.kind == "onnx":
        return _for_display_values(_network(method.source, method.symmetric))
    folder = method.source
    return lambda example: _prediction(folder, example)


def _for_display_values(remove: Callable[[Floats], Floats]) -> Run:
    def run(example: Example) -> Floats:
        if not example.linear:
            return remove(example.image)
        return np.asarray(optics.decode(remove(optics.encode(example.image))), np.float32)

    return run


def _network(path: Path, symmetric: bool) -> Callable[[Floats], Floats]:
    """Load somebody's ONNX network: one picture 1×3×H×W in, its first such output is the result."""
    import onnxruntime

    from unshine.engines.onnx import available_cpus

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
            fed = resize_image(image, (fixed[0], fixed[1]))
        else:
            room = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
            fed = np.pad(image, room, mode="edge")
        batch = np.ascontiguousarray(fed.transpose(2, 0, 1)[None], np.float32)
        outputs = session.run(None, {given.name: 2 * batch - 1 if symmetric else batch})
        pictures = [output for output in outputs if output.shape == batch.shape]
        if not pictures:
            raise UnshineError(f"{path}: this network returns no picture of its input's size.")
        result = pictures[0][0].transpose(1, 2, 0)
        result = ((result + 1) / 2 if symmetric else result).clip(0, 1)
        return resize_image(result, (height, width)) if fixed else result[:height, :width]

    return remove


def _prediction(folder: Path, example: Example) -> Floats:
    """Read somebody's result for a picture, stored under its name."""
    for name in (example.name, example.name.replace("/", "_")):
        for ending in item.ENDINGS:
            path = folder / f"{name}{ending}"
            if path.is_file():
                result = item.read_image(path)
                size = (example.image.shape[0], example.image.shape[1])
                if result.shape[:2] not in (size, example.stored_size):
                    raise UnshineError(
                        f"{path}: is {result.shape[1]}×{result.shape[0]}, but the picture is"
                        f" {size[1]}×{size[0]}."
                    )
                return resize_image(result, size)
    raise UnshineError(f"{folder}: has no result named {example.name}.")
