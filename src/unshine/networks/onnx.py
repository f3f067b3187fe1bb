"""From PyTorch to an ONNX graph of free batch, height and width.

Where a network's weights are stored as float16, the graph refers to the tensors of the safetensors
file beside it as ONNX external data (both formats hold plain little-endian arrays), so that one
file of weights serves all engines.
"""

import json
import logging
import struct
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from unshine.networks.weights import Weights

OPSET = 18
SMALL = 8
"""Constants of at most so many numbers are no parameters."""


class _Shipped(torch.nn.Module):
    """A network with the outputs that users see, and none that only losses need."""

    def __init__(self, network: torch.nn.Module, count: int) -> None:
        super().__init__()
        self.network = network
        self.count = count

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.network(image)[: self.count])


def trace(weights: Weights, size: tuple[int, int] = (90, 70)) -> onnx.ModelProto:
    """Return a network as ONNX, its weights inside; its metadata name the network.

    Parameters
    ----------
    weights : Weights
        The exporter merges parameters that are equal, as untrained ones may be.
    size : tuple of int
        Height and width of the image that it is traced with; any other can be fed to the result.
    """
    # Its own matters: libraries that it does without, names that it will stop using.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            _Shipped(weights.build("torch"), len(weights.outputs)).eval(),
            (torch.rand(2, 3, *size),),
            dynamo=True,
            dynamic_shapes={"image": dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)},
            input_names=["image"],
            output_names=list(weights.outputs),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Traces of the exporter, ten times the size of the graph itself.
    del model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    _powers_as_logarithms(model.graph)
    stated = {"network": weights.network, "variant": weights.variant}
    helper.set_model_props(model, {key: value for key, value in stated.items() if value})
    return model


def _powers_as_logarithms(graph: onnx.GraphProto) -> None:
    """Write ``x**p``, p no whole number, as ``exp(p log x)``, which ONNX Runtime vectorises.

    A twelfth of the time of the three-stage network was in its powers.
    """
    nodes = []
    constants = {x.name: numpy_helper.to_array(x) for x in graph.initializer if x.dims == []}
    for node in graph.node:
        if node.op_type == "Pow" and constants.get(node.input[1], 1) % 1:
            x, power = node.input
            (result,) = node.output
            logarithm, product = f"{result}.log", f"{result}.product"
            nodes += [
                helper.make_node("Log", [x], [logarithm]),
                helper.make_node("Mul", [logarithm, power], [product]),
                helper.make_node("Exp", [product], [result]),
            ]
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def refer(model: onnx.ModelProto, weights: Path) -> None:
    """Replace a graph's parameters by references to the float16 tensors of a safetensors file.

    Parameters
    ----------
    model : ModelProto
        Of `trace`, for the weights in the file.
    weights : Path
        Where `unshine.networks.weights.write_weights` wrote them. The ONNX file must stand beside.
    """
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    assert all(entry["dtype"] == "F16" for entry in header.values())
    # By what they hold: the exporter renames what it reshapes.
    offsets = {data[slice(*x["data_offsets"])]: x["data_offsets"] for x in header.values()}
    graph = model.graph
    kept, casts = [], []
    for tensor in graph.initializer:
        entry = header.get(tensor.name.removeprefix("network."))
        found = entry["data_offsets"] if entry else offsets.get(_as_halves(tensor))
        if found is None:
            kept.append(tensor)
            continue
        start, end = found
        stored = TensorProto(
            name=tensor.name + ".half",
            data_type=TensorProto.FLOAT16,
            dims=tensor.dims,
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": weights.name, "offset": 8 + length + start, "length": end - start}
        for key, value in place.items():
            stored.external_data.add(key=key, value=str(value))
        kept.append(stored)
        casts.append(helper.make_node("Cast", [stored.name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _as_halves(tensor: TensorProto) -> bytes:
    """Return a parameter's bytes in float16; none for what is too small, or would be rounded."""
    values = numpy_helper.to_array(tensor)
    if values.dtype != "f4" or values.size <= SMALL:
        return b""
    halves = values.astype("<f2")
    return halves.tobytes() if (halves == values).all() else b""
