"""What tests of several parts share: real images, and a network small enough to know by heart."""

import os
from pathlib import Path

# MindSpore needs protobuf's Python implementation, and onnx would load the other one first.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")

import hypothesis
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

# The same examples every time, however busy the machine is.
hypothesis.settings.register_profile("unshine", deadline=None, derandomize=True)
hypothesis.settings.load_profile("unshine")


@pytest.fixture(scope="session")
def real_pairs() -> Path:
    """The folder of real images with known truth, which may not be shipped."""
    data = os.environ.get("UNSHINE_TEST_DATA")
    if not data:
        pytest.skip("UNSHINE_TEST_DATA names no folder of images that may not be shipped")
    return Path(data).resolve() / "real-pairs"


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file with the contract of the real ones.

    ``highlight = clip(5 (max over colours - 0.8), 0, 1)``, ``clean = diffuse = image (1 - highlight
    / 2)``, ``albedo = image / 2``, ``shading = 2^2.2``, ``specular = image * 0``, ``ungated = image
    / 2``, ``logits = 5 (max over colours - 0.8)``.
    """
    shape = ["n", 3, "h", "w"]

    def constant(name: str, value: float) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(value, np.float32), name)

    nodes = [
        helper.make_node("ReduceMax", ["image", "channel_axis"], ["largest"], keepdims=1),
        helper.make_node("Sub", ["largest", "threshold"], ["above"]),
        helper.make_node("Mul", ["above", "five"], ["logits"]),
        helper.make_node("Clip", ["logits", "zero", "one"], ["highlight"]),
        helper.make_node("Mul", ["highlight", "half"], ["loss"]),
        helper.make_node("Sub", ["one", "loss"], ["gain"]),
        helper.make_node("Mul", ["image", "gain"], ["clean"]),
        helper.make_node("Identity", ["clean"], ["diffuse"]),
        helper.make_node("Mul", ["image", "half"], ["albedo"]),
        helper.make_node("Identity", ["albedo"], ["ungated"]),
        helper.make_node("Mul", ["image", "zero"], ["specular"]),
        helper.make_node("Add", ["specular", "two_displayed"], ["shading"]),
    ]
    constants = {"threshold": 0.8, "five": 5, "zero": 0, "one": 1, "half": 0.5}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name in ("albedo", "shading", "diffuse", "specular", "clean", "ungated")
            ),
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, "h", "w"])
                for name in ("highlight", "logits")
            ),
        ],
        [
            *(constant(name, value) for name, value in constants.items()),
            constant("two_displayed", 2**2.2),
            numpy_helper.from_array(np.array([1], np.int64), "channel_axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    helper.set_model_props(model, {"network": "three_stage"})
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("weights") / "tiny.onnx"
    onnx.save(model, path)
    return path
