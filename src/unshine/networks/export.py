"""Weights in the forms that other programs take: PyTorch, MindSpore, ONNX, MindIR.

A graph (ONNX, MindIR) is run once and compared with the network that it was made from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine import extras
from unshine.errors import UnshineError
from unshine.files import writing
from unshine.networks import tshrnet
from unshine.networks.tshrnet import published
from unshine.networks.weights import BATCHNORM, Tensors, Weights, read_weights, write_weights

TOLERANCE = 1e-3
"""How far a graph's outputs may be from the network's: a quarter of an 8-bit step."""


def write_checkpoint(target: Path, weights: Weights, ending: str) -> None:
    """Write one file for PyTorch or MindSpore: a state dict or a checkpoint, float32.

    Parameters
    ----------
    target : Path
    weights : Weights
    ending : {"pth", "ckpt"}
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: x.astype(np.float32) if x.dtype.kind == "f" else x
        for name, x in weights.tensors.items()
    }
    write = {"pth": _write_torch, "ckpt": _write_mindspore}[ending]
    with writing(target, overwrite=True) as temporary:
        write(temporary, tensors)


def write_published(folder: Path, weights: Weights, ending: str) -> None:
    """Write TSHRNet as the published four files, `UNet1_60` to `UNet4_60`.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    weights : Weights
    ending : {"pth", "ckpt"}
    """
    if weights.network != tshrnet.NAME:
        raise UnshineError(
            "Only TSHRNet is kept as a folder of four files; give a target that ends in"
            f" .{ending} instead."
        )
    for part in tshrnet.INPUTS:
        start = f"{part}."
        own = {n.removeprefix(start): x for n, x in weights.tensors.items() if n.startswith(start)}
        file = folder / published.file_name(part, ending)
        write_checkpoint(file, Weights(weights.network, own, weights.variant), ending)


def beside(target: Path, weights: Weights) -> Path | None:
    """Return the file of weights that an ONNX file refers to, if it does: the one it stands by."""
    small = np.float16 == weights.architecture.STORED
    return target.with_suffix(".safetensors") if small else None


def write_onnx(target: Path, weights: Weights) -> float:
    """Write the network as ONNX and run it once.

    TSHRNet's weights are inside. The three-stage network's stay in a float16 safetensors file of
    the same name, written beside it.

    Returns
    -------
    float
        The largest difference from PyTorch, in display values or linear light.
    """
    torch = extras.load("torch", "train")
    import onnxruntime

    from unshine.networks import onnx

    target.parent.mkdir(parents=True, exist_ok=True)
    stored = beside(target, weights)
    if stored:
        write_weights(stored, weights)
        weights = read_weights(stored)  # rounded to float16
    model = onnx.trace(weights)
    if stored:
        onnx.refer(model, stored)
    image = _image(130, 170)
    with torch.no_grad():
        expected = weights.build("torch")(torch.from_numpy(image))[: len(weights.outputs)]
    with writing(target, overwrite=True) as temporary:
        temporary.write_bytes(model.SerializeToString())
        del model
        session = onnxruntime.InferenceSession(temporary)
        found = session.run(list(weights.outputs), {"image": image})
        del session
        return _difference(target, found, [x.numpy() for x in expected])


def write_mindir(target: Path, weights: Weights, size: int = 256) -> float:
    """Write the network as MindIR for images of one size, load it and run it once.

    Parameters
    ----------
    target : Path
    weights : Weights
    size : int
        Height and width of the images, 1×3×size×size, that the graph will take.

    Returns
    -------
    float
        The largest difference from MindSpore, in display values or linear light.
    """
    mindspore = extras.load("mindspore", "mindspore")
    target.parent.mkdir(parents=True, exist_ok=True)
    image = mindspore.Tensor(_image(size, size))
    network = _with_outputs(weights.build("mindspore"), len(weights.outputs))
    expected = network(image)
    with writing(target, overwrite=True) as temporary:
        mindspore.export(network, image, file_name=str(temporary), file_format="MINDIR")
        found = mindspore.nn.GraphCell(mindspore.load(str(temporary)))(image)
        return _difference(target, [x.asnumpy() for x in found], [x.asnumpy() for x in expected])


def _write_torch(path: Path, tensors: Tensors) -> None:
    torch = extras.load("torch", "train")
    torch.save({name: torch.from_numpy(np.array(x)) for name, x in tensors.items()}, path)


def _write_mindspore(path: Path, tensors: Tensors) -> None:
    mindspore = extras.load("mindspore", "mindspore")
    names = {torch_name: name for name, torch_name in BATCHNORM.items()}
    entries = []
    for name, x in tensors.items():
        stem, _, last = name.rpartition(".")
        if f"{stem}.running_mean" in tensors:
            name = f"{stem}.{names.get(last, last)}"
        entries.append({"name": name, "data": mindspore.Tensor(x)})
    mindspore.save_checkpoint(entries, str(path))


def _with_outputs(network: Any, count: int) -> Any:
    """Leave out a MindSpore network's last outputs, which only losses need."""
    from mindspore import nn

    class Shipped(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def construct(self, image: Any) -> Any:
            return self.network(image)[:count]

    return Shipped().set_train(False)


def _image(height: int, width: int) -> NDArray[np.float32]:
    """A smooth image with a bright spot, 1×3×height×width."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    spot = np.exp(-8 * ((x - 0.2) ** 2 + (y + 0.1) ** 2))
    colours = [0.5 + 0.3 * np.sin(k * x + y) for k in (2, 3, 5)]
    return np.clip(np.stack(colours)[None] + spot, 0, 1).astype(np.float32)


def _difference(
    target: Path, found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]
) -> float:
    """Return the largest difference of a graph's outputs from the network's; refuse a large one."""
    pairs = zip(found, expected, strict=True)
    worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    if not worst <= TOLERANCE:
        raise UnshineError(
            f"{target} was not written: its outputs would differ from the network's by {worst:.2g}."
        )
    return worst
