"""From PyTorch to an ONNX graph of free batch, height and width."""

import logging
import warnings
from collections.abc import Sequence

import onnx
import torch


def trace(
    network: torch.nn.Module, outputs: Sequence[str], size: tuple[int, int], opset: int = 18
) -> onnx.ModelProto:
    """Return the network as ONNX, its weights inside.

    Parameters
    ----------
    network : Module
        In evaluation mode; takes `image`, (N, 3, H, W), and returns a tuple of tensors.
    outputs : sequence of str
        The tensors' names.
    size : tuple of int
        Height and width of the picture that it is traced with.
    opset : int
        ONNX operator set.
    """
    # Its own matters: libraries that it does without, names that it will stop using.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            network,
            (torch.rand(2, 3, *size),),
            dynamo=True,
            dynamic_shapes={"image": dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)},
            input_names=["image"],
            output_names=list(outputs),
            opset_version=opset,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Traces of the exporter, ten times the size of the graph itself.
    del model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    return model
