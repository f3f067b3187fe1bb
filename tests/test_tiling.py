"""Large photographs in tiles: blended without seams, each pixel as its neighbourhood wants it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unshine import exposure
from unshine.remover import Remover
from unshine.tiling import OVERLAP, TiledAnalysis, _ramps, _tiles

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def remover(tiny_weights: Path) -> Remover:
    """The tiny network looks at single pixels, so tiles must not matter to it at all."""
    return Remover(weights=tiny_weights, working_size=200)


def _image(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    values = RNG.random(shape)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return (values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("shape", [(150, 180, 3), (450, 200, 3), (333, 555, 3), (410, 420)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiles_are_seamless(
    remover: Remover, tiny_weights: Path, shape: tuple[int, ...], dtype: type
) -> None:
    image = _image(*shape, dtype=dtype)
    image[::3] = image.max()  # bright on average, reduced or not, so that nothing brightens it
    whole = Remover(weights=tiny_weights, working_size=1000).analyse(image)
    tiled = TiledAnalysis(remover, image)
    step = 1 if np.dtype(dtype).kind in "u" else 1e-5
    for options in ({}, {"strength": 0.5}, {"sensitivity": 0.7}):
        clean, expected = tiled.clean(**options), whole.clean(**options)
        assert (clean.dtype, clean.shape) == (image.dtype, image.shape)
        assert np.abs(clean.astype(float) - expected).max() <= step
    for name in ("albedo", "highlight", "specular"):
        assert np.abs(tiled.layer(name) - whole.layer(name)).max() < 1e-5


def test_what_the_network_leaves_alone_stays_to_the_last_bit(remover: Remover) -> None:
    image = _image(300, 500, 3) // 2
    assert np.array_equal(TiledAnalysis(remover, image).clean(), image)


def test_sparkle_that_would_vanish_in_a_reduced_image_is_found(remover: Remover) -> None:
    image = np.full((800, 800, 3), 60, np.uint8)
    image[401, 333] = 255
    assert np.array_equal(remover(image), image)
    clean = TiledAnalysis(remover, image).clean()
    assert clean[401, 333].max() < 140
    clean[401, 333] = 255
    assert np.array_equal(clean, image)


def test_a_mask_is_cut_as_the_image_is(remover: Remover, tiny_weights: Path) -> None:
    image, mask = _image(300, 400, 3), _image(300, 400)
    whole = Remover(weights=tiny_weights, working_size=1000).analyse(image)
    tiled = TiledAnalysis(remover, image)
    assert np.abs(tiled.clean(mask=mask).astype(int) - whole.clean(mask=mask)).max() <= 1
    assert np.abs(tiled.highlight(0.6, mask) - whole.highlight(0.6, mask)).max() < 1e-5


@given(length=st.integers(1, 5000), tile=st.integers(2 * OVERLAP, 1100))
def test_tiles_cover_everything_and_overlap_enough(length: int, tile: int) -> None:
    tiles = _tiles(length, tile)
    assert tiles[0].start == 0
    assert tiles[-1].stop == length
    for one, other in pairwise(tiles):
        assert one.start < other.start
        assert one.stop - other.start >= OVERLAP - 1
    covered = np.zeros(length)
    for part in tiles:
        assert part.stop - part.start == min(length, tile)
        covered[part] += _ramps(part, length)
    assert covered.min() > 0.5


def test_a_dark_corner_of_a_usual_image_is_not_brightened_alone(
    remover: Remover, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.full((400, 600, 3), 180, np.uint8)
    image[:150, :150] = 30
    powers = []
    monkeypatch.setattr(remover.engine.network, "EXPOSED", True)
    original = exposure.restore
    monkeypatch.setattr(exposure, "restore", lambda *a: powers.append(a[-1]) or original(*a))
    TiledAnalysis(remover, image).clean()
    assert powers == []
    remover.analyse(image[:150, :150])
    assert powers[0] < 0.5
