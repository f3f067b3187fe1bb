"""Fills of clipped areas get the photograph's grain, and nothing else does."""

import numpy as np
import pytest

from unshine import pixels
from unshine.grain import Grain
from unshine.pixels import Floats
from unshine.remover import Remover


def _photograph(noise: float, seed: int = 0, dtype: type = np.float32) -> tuple[Floats, Floats]:
    """Return a noisy image with a clipped square, and the same with the square filled smoothly."""
    rng = np.random.default_rng(seed)
    values = np.full((256, 320, 3), (0.7, 0.5, 0.3), np.float32)
    image = (values + noise * rng.standard_normal(values.shape)).clip(0, 1).astype(np.float32)
    fill = image.copy()
    image[100:150, 70:170] = 1
    fill[100:150, 70:170] = 0.5
    return image, fill


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_a_fill_is_as_grainy_as_its_surroundings(noise: float) -> None:
    image, fill = _photograph(noise)
    result = Grain(image)(slice(0, 256), image, fill)
    assert 0.7 * noise < result[100:150, 70:170].std(axis=(0, 1)).mean() < 1.3 * noise
    assert np.allclose(result[100:150, 70:170].mean(axis=(0, 1)), 0.5, atol=0.2 * noise)
    outside = np.ones(image.shape[:2], bool)
    outside[100:150, 70:170] = False
    assert np.array_equal(result[outside], fill[outside])


def test_without_grain_a_fill_stays_smooth() -> None:
    image, fill = _photograph(0)
    assert np.array_equal(Grain(image)(slice(0, 256), image, fill), fill)


def test_what_is_not_filled_keeps_its_bits() -> None:
    image, _ = _photograph(0.03)
    assert np.array_equal(Grain(image)(slice(0, 256), image, image), image)
    only_one = image.copy()
    only_one[110, 80, 1] = 0.5
    result = Grain(image)(slice(0, 256), image, only_one)
    assert np.argwhere(result != only_one).tolist() in ([[110, 80, 1]], [])


def test_rows_may_come_in_any_parts() -> None:
    image, fill = _photograph(0.03)
    grain = Grain(image)
    whole = grain(slice(0, 256), image, fill)
    for rows in (slice(0, 117), slice(117, 118), slice(118, 256)):
        assert np.array_equal(grain(rows, image[rows], fill[rows]), whole[rows])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_all_kinds_of_numbers_have_the_same_grain(dtype: type) -> None:
    image, _ = _photograph(0.03)
    tiles = Grain(image).tile, Grain(pixels.from_display(image, np.dtype(dtype))).tile
    # Rounding may make another part the flattest.
    strengths = [float(tile.std()) for tile in tiles if tile is not None]
    assert np.allclose(strengths, 0.03, rtol=0.1)


@pytest.mark.parametrize("size", [(40, 60), (64, 64), (1, 5000)])
def test_small_and_clipped_images_have_none_to_take(size: tuple[int, int]) -> None:
    image = np.ones((*size, 3), np.float32)
    fill = np.full_like(image, 0.5)
    assert np.array_equal(Grain(image)(slice(0, size[0]), image, fill), fill)


def test_a_large_photograph_is_cleaned_with_grain_alike_every_time() -> None:
    image, _ = _photograph(0.03)
    analysis = Remover(working_size=128).analyse(image)
    certain = analysis.clean(mask=np.ones(image.shape[:2], bool))
    again = Remover(working_size=128).analyse(image).clean(mask=np.ones(image.shape[:2], bool))
    assert np.array_equal(certain, again)
