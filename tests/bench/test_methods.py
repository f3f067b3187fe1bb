"""Methods: which there are, what space they work in, and what they say when something is amiss."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from unshine import optics
from unshine.bench import methods
from unshine.classical import METHODS, shen2013
from unshine.data.item import Example
from unshine.errors import UnshineError


@pytest.fixture
def example():
    image = np.random.default_rng(0).random((21, 34, 3), np.float32)
    return Example("m/1", image, image / 2, np.ones((21, 34), bool), stored_size=(42, 68))


def network(path: Path, gain: float, side: int | str = "h") -> Path:
    """An ONNX file that multiplies by `gain`, beside an output of another shape."""
    shape = [1, 3, side, side if isinstance(side, int) else "w"]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=1),
            helper.make_node("Mul", ["x", "gain"], ["y"]),
        ],
        "gain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, 1, 1, 1]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
        ],
        [numpy_helper.from_array(np.array(gain, np.float32), "gain")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


def only(names=(), **given):
    """The single method besides the input."""
    _, method = methods.choose(list(names), **given)[0]
    return method


def test_all_names_what_is_missing(tmp_path):
    chosen, missing = methods.choose(["all"], weights=tmp_path / "none.onnx")
    assert [method.name for method in chosen] == ["input", *METHODS]
    assert [row.title for row in missing] == ["Unshine", "TSHRNet", "SpecularityNet", "JSHDR"]
    assert all(row.reason for row in missing)
    file = network(tmp_path / "net.onnx", 1)
    chosen, missing = methods.choose(["all"], tmp_path / "none.onnx", {"tshrnet": file})
    assert chosen[-1].title == "TSHRNet"
    assert "TSHRNet" not in [row.title for row in missing]


def test_unshine_has_two_rows(tiny_weights, example):
    chosen, missing = methods.choose(["unshine"], weights=tiny_weights)
    assert [method.name for method in chosen] == ["input", "unshine", "unshine-diffuse"]
    assert missing == []
    for method in chosen[1:]:
        assert method.load()(example).shape == example.image.shape


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        (["best2020"], {}, "no method 'best2020'"),
        (["unshine"], {"weights": Path("none.onnx")}, "no weights here"),
        ([], {"networks": {"a": Path("none.onnx")}}, "no ONNX file"),
        ([], {"predictions": {"a": Path("none")}}, "no folder of results"),
        ([], {"networks": {"yang2010": Path("a.onnx")}}, "is taken"),
        ([], {"networks": {"a": Path("f")}, "predictions": {"a": Path("d")}}, "is taken"),
        ([], {"symmetric": ["a"]}, "no network 'a'"),
    ],
)
def test_refuses(names, given, words):
    with pytest.raises(UnshineError, match=words):
        methods.choose(names, **given)


def test_input_is_the_input(example):
    (method,), _ = methods.choose([])
    assert method.load()(example) is example.image


def test_classical_methods_work_in_linear_light(example):
    run = only(["shen2013"]).load()
    linear = Example("", example.image, example.diffuse, example.mask, linear=True)
    assert np.allclose(run(linear), shen2013.remove(example.image))
    expected = optics.encode(shen2013.remove(optics.decode(example.image)))
    assert np.allclose(run(example), expected, atol=1e-6)


def test_networks_work_on_display_values(tmp_path, example):
    run = only(networks={"half": network(tmp_path / "a.onnx", 0.5)}).load()
    assert np.allclose(run(example), example.image / 2, atol=1e-6)
    linear = Example("", example.image, example.diffuse, example.mask, linear=True)
    assert np.allclose(run(linear), example.image * 0.5**2.2, atol=1e-5)


def test_symmetric_network(tmp_path, example):
    file = network(tmp_path / "a.onnx", 0.5)
    run = only(networks={"half": file}, symmetric=["half"]).load()
    assert np.allclose(run(example), 0.5 + (example.image - 0.5) / 2, atol=1e-6)


def test_network_of_fixed_size(tmp_path, example):
    flat = Example("", 0 * example.image + 0.6, example.diffuse, example.mask)
    run = only(networks={"half": network(tmp_path / "a.onnx", 0.5, 16)}).load()
    assert np.allclose(run(flat), 0.3, atol=1e-6)
    assert run(flat).shape == flat.image.shape


def test_damaged_network(tmp_path, example):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(UnshineError, match="cannot be loaded"):
        only(networks={"a": tmp_path / "a.onnx"}).load()


@pytest.mark.parametrize("name", ["m/1.png", "m_1.bmp"])
@pytest.mark.parametrize("size", [(34, 21), (68, 42)])
def test_predictions(tmp_path, example, name, size):
    (tmp_path / "m").mkdir()
    Image.new("RGB", size, (51, 102, 0)).save(tmp_path / name)
    run = only(predictions={"theirs": tmp_path}).load()
    assert np.allclose(run(example), [0.2, 0.4, 0], atol=1e-6)
    assert run(example).shape == example.image.shape


def test_predictions_that_are_not_there(tmp_path, example):
    run = only(predictions={"theirs": tmp_path}).load()
    with pytest.raises(UnshineError, match="no result named m/1"):
        run(example)
    Image.new("RGB", (20, 20)).save(tmp_path / "m_1.png")
    with pytest.raises(UnshineError, match="20×20, but the image is 34×21"):
        run(example)


def test_versions_follow_the_files(tmp_path):
    file = network(tmp_path / "a.onnx", 0.5)
    before = only(networks={"a": file}).version
    assert before == only(networks={"a": file}).version
    network(file, 0.25)
    assert before != only(networks={"a": file}).version
    before = only(predictions={"b": tmp_path}).version
    Image.new("RGB", (20, 20)).save(tmp_path / "m_1.png")
    assert before != only(predictions={"b": tmp_path}).version


def test_tensors_beside_the_graph_count_as_its_version(tmp_path):
    (tmp_path / "own.onnx").write_bytes(b"graph")
    (tmp_path / "own.safetensors").write_bytes(b"one")
    own = methods.Ours("unshine", "Unshine", tmp_path / "own.onnx")
    before = own.version
    (tmp_path / "own.safetensors").write_bytes(b"two")
    assert own.version != before


def test_tshrnets_weights_add_its_rows(tmp_path, example):
    from unshine.networks import tshrnet
    from unshine.networks.weights import Weights, write_weights

    path = tmp_path / "w.safetensors"
    write_weights(path, Weights("tshrnet", tshrnet.initial(0, 4), "published"))
    chosen, missing = methods.choose(["all"], weights=path, variant="mixed")
    assert [method.title for method in chosen[-2:]] == ["TSHRNet", "TSHRNet, stage 2"]
    assert "TSHRNet" not in [row.title for row in missing]
    weights = {method.name: getattr(method, "weights", None) for method in chosen}
    assert {"unshine": None, "tshrnet": path}.items() <= weights.items()
    results = [method.load()(example) for method in chosen[-2:]]
    assert all(result.shape == example.image.shape for result in results)
    assert not np.array_equal(*results)
    with pytest.raises(UnshineError, match="is taken"):
        methods.choose([], path, {"tshrnet": network(tmp_path / "net.onnx", 1)})
