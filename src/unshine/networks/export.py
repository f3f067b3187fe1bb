"""Weights in the forms that other programs take: PyTorch, MindSpore, ONNX, MindIR.

A graph (ONNX, MindIR) is run once and compared with the network that it was made from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.networks import tshrnet
from unshine.networks.weights import Tensors, Weights, framework, read_weights, write_weights

TOLERANCE = 1e-3
"""How far a graph's outputs may be from the network's: a quarter of an 8-bit step."""

EPOCH = 60
"""The published files' names say after how many epochs the weights were kept."""


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
    temporary = target.with_name(f"{target.stem}.part.{ending}")
    write(temporary, tensors)
    temporary.replace(target)


def write_published(folder: Path, weights: Weights, ending: str) -> None:
    """Write TSHRNet as the published four files, `UNet1_60` to `UNet4_60`.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    weights : Weights
    ending : {"pth", "ckpt"}
    """
    if weights.network != "tshrnet":
        raise UnshineError(
            "Only TSHRNet is kept as a folder of four files; give a target that ends in"
            f" .{ending} instead."
        )
    for network in tshrnet.INPUTS:
        start = f"{network}."
        part = {n.removeprefix(start): x for n, x in weights.tensors.items() if n.startswith(start)}
        file = folder / f"{network}_{EPOCH}.{ending}"
        write_checkpoint(file, Weights("tshrnet", part, weights.variant), ending)


def write_onnx(target: Path, weights: Weights) -> float:
    """Write the network as ONNX and run it once.

    TSHRNet's weights are inside. The three-stage network's stay in a float16 safetensors file of
    the same name, written beside it.

    Returns
    -------
    float
        The largest difference from PyTorch, in display values or linear light.
    """
    torch = framework("torch")
    import onnxruntime

    from unshine.networks.torch import network_of

    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    if weights.network == "three_stage":
        from unshine.networks.three_stage.export import export_onnx

        beside = target.with_suffix(".safetensors")
        write_weights(beside, weights)
        weights = read_weights(beside)  # rounded to float16
        export_onnx(weights.sizes, beside, temporary)
    else:
        from unshine.networks.onnx import trace

        model = trace(network_of(weights), weights.outputs, (300, 200))
        temporary.write_bytes(model.SerializeToString())
        del model
    image = _picture(130, 170)
    session = onnxruntime.InferenceSession(temporary)
    found = session.run(list(weights.outputs), {"image": image})
    del session
    with torch.no_grad():
        expected = network_of(weights)(torch.from_numpy(image))
    return _accept(temporary, target, found, [x.numpy() for x in expected[: len(found)]])


def write_mindir(target: Path, weights: Weights, size: int = 256) -> float:
    """Write the network as MindIR for pictures of one size, load it and run it once.

    Parameters
    ----------
    target : Path
    weights : Weights
    size : int
        Height and width of the pictures, 1×3×size×size, that the graph will take.

    Returns
    -------
    float
        The largest difference from MindSpore, in display values or linear light.
    """
    mindspore = framework("mindspore")
    from unshine.networks.mindspore import network_of

    target.parent.mkdir(parents=True, exist_ok=True)
    image = mindspore.Tensor(_picture(size, size))
    network = _with_outputs(network_of(weights), len(weights.outputs))
    temporary = target.with_name(f"{target.stem}.part.mindir")
    mindspore.export(network, image, file_name=str(temporary), file_format="MINDIR")
    temporary.chmod(0o644)  # MindSpore makes its files read-only
    found = mindspore.nn.GraphCell(mindspore.load(str(temporary)))(image)
    expected = network(image)
    return _accept(temporary, target, [x.asnumpy() for x in found], [x.asnumpy() for x in expected])


def _write_torch(path: Path, tensors: Tensors) -> None:
    torch = framework("torch")
    torch.save({name: torch.from_numpy(np.array(x)) for name, x in tensors.items()}, path)


def _write_mindspore(path: Path, tensors: Tensors) -> None:
    mindspore = framework("mindspore")
    names = {torch_name: name for name, torch_name in tshrnet.BATCHNORM.items()}
    entries = []
    for name, x in tensors.items():
        stem, _, last = name.rpartition(".")
        if stem.endswith("after"):
            name = f"{stem}.{names.get(last, last)}"
        entries.append({"name": name, "data": mindspore.Tensor(x)})
    mindspore.save_checkpoint(entries, str(path))
    path.chmod(0o644)  # MindSpore makes its files read-only


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


def _picture(height: int, width: int) -> NDArray[np.float32]:
    """A smooth picture with a bright spot, 1×3×height×width."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    spot = np.exp(-8 * ((x - 0.2) ** 2 + (y + 0.1) ** 2))
    colours = [0.5 + 0.3 * np.sin(k * x + y) for k in (2, 3, 5)]
    return np.clip(np.stack(colours)[None] + spot, 0, 1).astype(np.float32)


def _accept(
    temporary: Path,
    target: Path,
    found: Sequence[NDArray[Any]],
    expected: Sequence[NDArray[Any]],
) -> float:
    """Give a graph its final name if its outputs are the network's."""
    pairs = zip(found, expected, strict=True)
    worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    if not worst <= TOLERANCE:
        temporary.unlink()
        raise UnshineError(
            f"{target} was not written: its outputs would differ from the network's by {worst:.2g}."
        )
    temporary.replace(target)
    return worst
