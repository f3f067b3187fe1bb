"""What weights spoil becomes photographs: `benchmarks/training/mine.py`."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from unshine.networks import SHIPPED
from unshine.synth import stay
from unshine.synth.photographs import Album

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training" / "mine.py"


def test_keeps_drawings_that_weights_spoil(tmp_path: Path) -> None:
    """With a map that is open nearly everywhere, some are spoilt; an album shows them bare."""
    spec = importlib.util.spec_from_file_location("mine", SCRIPT)
    assert spec and spec.loader
    mine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mine)
    folder = tmp_path / "bare" / "mistaken"
    mine.main(SHIPPED.with_suffix(".onnx"), folder, number=3, bias=8, seed=5)
    album = Album(tmp_path)
    (kept,) = album.folders
    assert len(kept) == 3
    for path in kept:
        assert album.glared(path) == 0
        kind, seed, index = path.stem.rsplit("-", 2)
        rng = np.random.default_rng((int(seed), int(index)))
        drawn = stay.make(kind.replace("-", " "), mine.SIZE, rng)
        with Image.open(path) as image:
            assert np.abs(np.asarray(image) / 255 - drawn).max() < 0.6 / 255
