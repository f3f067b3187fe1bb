"""The PyTorch engine: the same contract as ONNX Runtime's, both networks, several threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from unshine import optics
from unshine.engines.onnx import OnnxEngine
from unshine.errors import UnshineError
from unshine.networks import tshrnet
from unshine.networks.weights import Weights, write_weights

pytest.importorskip("torch", reason="PyTorch is not installed")
engine = pytest.importorskip("unshine.engines.torch")
TorchEngine, available_devices = engine.TorchEngine, engine.available_devices


def _image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32) ** 2


def test_shipped_weights_agree_with_onnx() -> None:
    image = _image(95, 130)
    engine, onnx = TorchEngine(), OnnxEngine()
    assert engine.names == onnx.names
    results, expected = engine(image), onnx(image)
    for name in onnx.names:
        assert results[name].dtype == np.float32
        assert np.abs(results[name] - expected[name]).max() < 1e-4, name
    assert list(engine(image, ["highlight", "clean"])) == ["highlight", "clean"]


@pytest.mark.parametrize("variant", tshrnet.VARIANTS)
def test_tshrnet_in_every_variant(tmp_path: Path, variant: tshrnet.Variant) -> None:
    from unshine.networks.tshrnet.torch import TSHRNet

    path = tmp_path / "w.safetensors"
    write_weights(path, Weights("tshrnet", tshrnet.initial(0, 4), "published"))
    engine = TorchEngine(path, variant=variant)
    assert engine.names == tshrnet.OUTPUTS[variant]
    assert "highlight" not in engine.names
    import torch

    image = _image(30, 41)
    with torch.no_grad():
        expected = TSHRNet(variant, seed=0, width=4).eval()(torch.from_numpy(image))
    for name, layer in engine(image).items():
        assert layer.shape == image.shape
        want = getattr(expected, name).numpy()
        if name in ("shading", "specular"):
            want = optics.decode(want)
        assert np.abs(layer - want).max() < 1e-5, name


def test_threads_do_not_mix_their_images() -> None:
    run = TorchEngine()
    images = [_image(40 + i, 50 - i, i) for i in range(6)]
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(run, images))
    for image, result in zip(images, results, strict=True):
        assert np.abs(result["clean"] - run(image)["clean"]).max() < 1e-6


def test_devices(tmp_path: Path) -> None:
    assert available_devices()[-1] == "cpu"
    assert TorchEngine(device="cpu").device == "cpu"
    with pytest.raises(UnshineError, match="no device 'ascend'"):
        TorchEngine(device="ascend")
    with pytest.raises(UnshineError, match="no weights"):
        TorchEngine(tmp_path / "none.safetensors")
