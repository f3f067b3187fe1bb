"""What weights spoil becomes photographs: `benchmarks/mine.py`."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unshine.networks import SHIPPED
from unshine.synth import stay
from unshine.synth.photographs import Album

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_keeps_drawings_that_weights_spoil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open map spoils some, a shut one none; an album shows what is spoilt bare."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    mine = import_module("mine")
    folder = tmp_path / "bare" / "mistaken"
    mine.main(SHIPPED.with_suffix(".onnx"), folder, draw=29, bias=-99, seed=5)
    assert not list(folder.iterdir())
    mine.main(SHIPPED.with_suffix(".onnx"), folder, draw=29, bias=8, seed=5)
    album = Album(tmp_path)
    (kept,) = album.folders
    assert len(kept) >= 3
    for path in kept:
        assert album.glared(path) == 0
        kind, seed, index = path.stem.rsplit("-", 2)
        rng = np.random.default_rng((int(seed), int(index)))
        drawn = stay.make(kind.replace("-", " "), mine.SIZE, rng)
        with Image.open(path) as image:
            assert np.abs(np.asarray(image) / 255 - drawn).max() < 0.6 / 255
