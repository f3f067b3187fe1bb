from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from unshine.engines import onnx as engine
from unshine.engines.onnx import OnnxEngine
from unshine.errors import UnshineError
from unshine.networks.three_stage import OUTPUTS


def _image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 130), (64, 64)])
def test_shipped_network_keeps_the_contract(size: tuple[int, int]) -> None:
    image = _image(*size)
    image[..., : size[1] // 2] *= 0.2
    layers = OnnxEngine()(image)
    assert set(layers) == set(OUTPUTS)
    for name, layer in layers.items():
        assert layer.dtype == np.float32
        assert layer.shape == (1, 1 if name in ("highlight", "logits") else 3, *size), name
        assert np.isfinite(layer).all()
        if name in ("ungated", "logits"):
            continue
        assert layer.min() >= 0, name
        if name not in ("shading", "specular"):
            assert layer.max() <= 1, name
    untouched = np.broadcast_to(layers["highlight"] == 0, image.shape)
    assert np.array_equal(layers["clean"][untouched], image[untouched])


def test_shipped_weights_are_stored_small() -> None:
    model = onnx.load(engine.DEFAULT_WEIGHTS)
    wide = [x for x in model.graph.initializer if x.data_type == onnx.TensorProto.FLOAT]
    assert engine.DEFAULT_WEIGHTS.stat().st_size < 24e6
    assert sum(np.prod(x.dims) for x in wide) < 10_000, "the weights belong in float16"


def test_only_the_wanted_outputs_come(tiny_weights: Path) -> None:
    layers = OnnxEngine(tiny_weights)(_image(5, 4), ["highlight", "clean"])
    assert list(layers) == ["highlight", "clean"]
    assert layers["highlight"].shape == (1, 1, 5, 4)


def test_threads_do_not_mix_their_images(tiny_weights: Path) -> None:
    run = OnnxEngine(tiny_weights)
    images = [_image(8 + i, 40 - i, i) for i in range(16)]
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(run, images))
    for image, result in zip(images, results, strict=True):
        assert np.array_equal(result["clean"], run(image)["clean"])
        assert np.array_equal(result["albedo"], image / 2)


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(UnshineError, match=r"none\.onnx: there is no weights file"):
        OnnxEngine(tmp_path / "none.onnx")


def test_damaged_weights(tmp_path: Path, tiny_weights: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(tiny_weights.read_bytes()[:200])
    with pytest.raises(UnshineError, match=r"broken\.onnx: these weights cannot be loaded") as info:
        OnnxEngine(broken)
    assert "\n" not in str(info.value)


def test_some_other_onnx_file(tmp_path: Path, tiny_weights: Path) -> None:
    model = onnx.load(tiny_weights)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UnshineError, match="not one of Unshine's networks"):
        OnnxEngine(tmp_path / "other.onnx")


def test_devices(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnshineError, match="no device 'tpu'"):
        OnnxEngine(tiny_weights, "tpu")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert engine.available_devices() == ["cpu"]
    assert OnnxEngine(tiny_weights, "auto").device == "cpu"
    with pytest.raises(UnshineError, match="onnxruntime-gpu"):
        OnnxEngine(tiny_weights, "cuda")
