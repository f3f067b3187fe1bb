"""The MindSpore engine: the same contract as ONNX Runtime's, both networks, several threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from unshine.engines.onnx import OnnxEngine
from unshine.errors import UnshineError
from unshine.networks import tshrnet
from unshine.networks.weights import Weights, write_weights

pytest.importorskip("mindspore", reason="MindSpore is not installed")
engine = pytest.importorskip("unshine.engines.mindspore")
MindSporeEngine, available_devices = engine.MindSporeEngine, engine.available_devices


def _image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32) ** 2


def test_shipped_weights_agree_with_onnx_from_any_thread_on_one_graph() -> None:
    engine, onnx = MindSporeEngine(), OnnxEngine()
    assert engine.names == onnx.names
    shapes = []
    graph = engine._graph

    def watched(tensor):
        shapes.append(tensor.shape)
        return graph(tensor)

    engine._graph = watched
    # All need the same padding.
    images = [_image(64 - 5 * i, 90 - i, i) for i in range(5)]
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(engine, images))
    assert set(shapes) == {(1, 3, 64, 96)}
    for image, result in zip(images, results, strict=True):
        expected = onnx(image)
        for name in onnx.names:
            assert result[name].dtype == np.float32
            assert result[name].shape == expected[name].shape
            assert np.abs(result[name] - expected[name]).max() < 1e-4, name
    assert list(engine(images[0], ["highlight", "clean"])) == ["highlight", "clean"]


@pytest.mark.parametrize("variant", tshrnet.VARIANTS)
def test_tshrnet_agrees_with_pytorch(tmp_path: Path, variant: tshrnet.Variant) -> None:
    torch_engine = pytest.importorskip("unshine.engines.torch", reason="PyTorch is not installed")
    path = tmp_path / "w.safetensors"
    write_weights(path, Weights("tshrnet", tshrnet.initial(0, 4), variant))
    image = _image(30, 41)
    results = MindSporeEngine(path)(image)
    expected = torch_engine.TorchEngine(path)(image)
    assert tuple(results) == tuple(expected) == tshrnet.OUTPUTS[variant]
    for name, layer in results.items():
        assert np.abs(layer - expected[name]).max() < 1e-4, name


def test_devices(tmp_path: Path) -> None:
    assert available_devices()[-1] == "cpu"
    assert MindSporeEngine(device="cpu").device == "cpu"
    with pytest.raises(UnshineError, match="no device 'cuda'"):
        MindSporeEngine(device="cuda")
    with pytest.raises(UnshineError, match="no weights"):
        MindSporeEngine(tmp_path / "none.safetensors")


def test_the_surrounding_program_keeps_its_mode() -> None:
    import mindspore

    before = mindspore.get_context("mode")
    MindSporeEngine()(_image(64, 90))
    assert mindspore.get_context("mode") == before
