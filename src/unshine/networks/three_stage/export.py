"""From PyTorch to ONNX, without a second copy of the weights.

The graph refers to the tensors of the float16 safetensors file beside it as ONNX external data
(both formats hold plain little-endian arrays), so that one file of weights serves all engines.
"""

import json
import struct
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

from unshine.networks.onnx import trace
from unshine.networks.three_stage import OUTPUTS, Sizes
from unshine.networks.three_stage.torch import ThreeStage
from unshine.networks.weights import load_weights


class _Shipped(torch.nn.Module):
    """The network with the outputs that users see, and none that only the losses need."""

    def __init__(self, network: ThreeStage) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.network(image)[: len(OUTPUTS)])


def export_onnx(sizes: Sizes, weights: Path, target: Path, opset: int = 18) -> None:
    """Write the network as an ONNX file that uses `weights`, a safetensors file beside it.

    Parameters
    ----------
    sizes : Sizes
        The network that the weights are for.
    weights : Path
        float16 safetensors, as `unshine.networks.weights.save_weights` writes them.
    target : Path
        The ONNX file, in the same folder. Its input ``image`` is (N, 3, H, W) with N, H and W free;
        its outputs are `OUTPUTS`.
    """
    if weights.resolve().parent != target.resolve().parent:
        raise ValueError(f"{target} must stand beside {weights}, whose tensors it refers to.")
    network = ThreeStage(sizes).eval()
    # The exporter merges parameters that are equal, as untrained ones may be.
    load_weights(weights, network)
    model = trace(_Shipped(network).eval(), OUTPUTS, (90, 70), opset)
    _refer(model.graph, weights)
    temporary = target.with_name(target.name + ".part")
    temporary.write_bytes(model.SerializeToString())
    temporary.replace(target)


def _refer(graph: onnx.GraphProto, weights: Path) -> None:
    """Replace the graph's parameters by references to float16 tensors in a safetensors file."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    kept, casts = [], []
    for tensor in graph.initializer:
        entry = header.get(tensor.name.removeprefix("network."))
        if entry is None:
            kept.append(tensor)
            continue
        assert entry["dtype"] == "F16" and entry["shape"] == list(tensor.dims)
        start, end = entry["data_offsets"]
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
