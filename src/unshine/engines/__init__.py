"""Engines run a network: ONNX Runtime (the base install), PyTorch, MindSpore.

Whatever the network, the outputs of an engine are in their layers' own spaces: `shading` and
`specular` linear, the other images display values (`unshine.layers.SPACE`).
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from unshine import exposure, extras
from unshine.errors import UnshineError
from unshine.networks import Network

Name = Literal["onnx", "torch", "mindspore"]
ENGINES: tuple[Name, ...] = get_args(Name)

NOT_ONNX = (".safetensors", ".ckpt", ".pth")
"""Endings of weights that ONNX Runtime cannot read; a folder is not for it either."""


class Engine(Protocol):
    """A loaded network; call it often, from several threads if you like."""

    device: str
    """Where it runs."""
    network: Network
    """Which network it is."""
    names: tuple[str, ...]
    """The outputs that it can give."""

    def __call__(
        self, image: NDArray[np.float32], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network.

        Parameters
        ----------
        image : ndarray, N×3×H×W, float32
            Display values in [0, 1]; any height and width.
        outputs : sequence of str, optional
            Which of `names` to return; all of them if left out.

        Returns
        -------
        dict of str to ndarray, float32
            `albedo`, `diffuse`, `clean` (display, in [0, 1]), `shading` and `specular` (linear, not
            negative), N×3×H×W each. A network with a highlight map also gives `highlight`,
            N×1×H×W, in [0, 1] (`clean` equals the image where it is 0); `ungated`, the image as if
            everywhere were a highlight (display, not clipped); `logits`, which its
            ``highlight_map`` turns into `highlight`.
        """


def load(
    engine: str = "onnx",
    device: str = "auto",
    weights: str | Path | None = None,
    variant: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Load a network into the engine that its weights need.

    Parameters
    ----------
    engine : {"onnx", "torch", "mindspore"}
        Who runs it. Weights that are no ONNX file go to PyTorch, or to MindSpore where PyTorch is
        not installed, instead of ONNX Runtime.
    device : {"auto", "cpu", "cuda", "mps", "ascend"}
        Where; each engine knows some of these.
    weights : path, optional
        An ONNX file, what `unshine.networks.weights.read_weights` reads, or the shipped weights.
    variant : str, optional
        Which of TSHRNet's variants the weights are for, where they do not say.
    threads : int, optional
        Processors that one call of ONNX Runtime keeps busy; all that there are if left out. The
        other engines share theirs among all calls.

    Raises
    ------
    UnshineError
        If the engine, the device or the weights are not to be had.
    """
    if engine not in ENGINES:
        raise UnshineError(f"There is no engine {engine!r}; choose {' or '.join(ENGINES)}.")
    if weights is not None:
        path = Path(weights)
        if engine != "onnx" and path.suffix == ".onnx":
            raise UnshineError(f"{path}: an ONNX file needs the engine onnx, not {engine}.")
        if engine == "onnx" and (path.is_dir() or path.suffix in NOT_ONNX):
            engine = "torch" if find_spec("torch") else "mindspore"
    if engine == "onnx":
        from unshine.engines.onnx import OnnxEngine

        if variant is not None:
            raise UnshineError("A variant is for TSHRNet's own weights, not for an ONNX file.")
        return OnnxEngine(weights, device, threads)
    if engine == "torch":
        return extras.load("unshine.engines.torch", "train").TorchEngine(weights, device, variant)
    module = extras.load("unshine.engines.mindspore", "mindspore")
    return module.MindSporeEngine(weights, device, variant)


def ask(
    engine: Engine,
    image: NDArray[np.float32],
    outputs: Sequence[str] | None = None,
    power: NDArray[np.float32] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Run a network on images at the exposure that it knows.

    Parameters
    ----------
    engine : Engine
    image, outputs
        As for `Engine.__call__`.
    power : ndarray, N×1×1×1, optional
        Of `exposure.exponent`, where the images are parts of something; else their own.

    Returns
    -------
    dict of str to ndarray
        As of `Engine.__call__`, in the images' own tone.
    """
    if not engine.network.EXPOSED:
        return engine(image, outputs)
    power = exposure.exponent(image) if power is None else power
    if (power == 1).all():
        return engine(image, outputs)
    found = exposure.restore(engine.network, image, engine(image**power), power)
    return {name: found[name] for name in outputs or engine.names}
