"""The correction of a film stays steady; the film itself is left alone."""

import numpy as np
import pytest
from PIL import Image

from unshine import pixels
from unshine.steady import NEW, Steadier, motion, moved

RNG = np.random.default_rng(0)


def _texture(height: int, width: int) -> np.ndarray:
    coarse = RNG.random((height // 8, width // 8), dtype=np.float32)
    grey = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.repeat(np.asarray(grey).clip(0, 1)[..., None], 3, -1)


def _grey(image: np.ndarray) -> np.ndarray:
    return image.mean(-1)


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 8), (1, 0)])
def test_motion_is_found_and_followed(shift: tuple[int, int]) -> None:
    scene = _texture(160, 200)
    y, x = shift
    before = scene[20:116, 20:164]
    after = scene[20 + y : 116 + y, 20 + x : 164 + x]
    vectors = motion(_grey(before), _grey(after))
    inner = vectors[1:-1, 1:-1].reshape(-1, 2)
    assert (inner == shift).all()
    whole = np.broadcast_to(np.array(shift), vectors.shape)
    assert np.array_equal(moved(before, whole)[10:-10, 10:-10], after[10:-10, 10:-10])


def test_noise_moves_nothing() -> None:
    flat = np.full((64, 64), 0.5, np.float32)
    noisy = [flat + RNG.normal(0, 0.02, flat.shape).astype(np.float32) for _ in range(2)]
    assert not motion(*noisy).any()


def test_large_images_move_by_their_own_pixels() -> None:
    scene = _texture(760, 1040)
    before, after = scene[:720, :960], scene[:720, 8:968]
    small = [_grey(pixels.reduce(image, 480)) for image in (before, after)]
    carried = moved(before, motion(*small))
    assert np.abs(carried - after)[64:-64, 64:-64].mean() < 1e-6


def test_a_still_scene_judged_differently_each_time_hardly_flickers() -> None:
    image = _texture(64, 96)
    film = Steadier()
    raw, steady = [], []
    for _ in range(30):
        noisy = image + RNG.normal(0, 0.01, image.shape).astype(np.float32)
        correction = np.full_like(image, -0.2) + RNG.normal(0, 0.05)
        raw.append(correction.astype(np.float32))
        steady.append(film(noisy.astype(np.float32), raw[-1]))
    flicker = [np.abs(np.diff(values, axis=0)).mean() for values in (raw[5:], steady[5:])]
    assert flicker[1] < 0.3 * flicker[0]
    assert abs(np.mean(steady[10:]) + 0.2) < 0.03


def test_the_correction_goes_along_with_what_it_belongs_to() -> None:
    scene = _texture(160, 240)
    film, start = Steadier(), 20
    for step in range(4):
        image = scene[20:116, start + 3 * step : start + 3 * step + 144]
        correction = np.zeros_like(image)
        left = 100 - 3 * step
        correction[40:60, left : left + 20] = -0.3 if step == 0 else -0.1
        steady = film(image, correction)
    # Three steps later 0.85³ of the first difference is left, where the object is now.
    inside = steady[45:55, left + 5 : left + 15]
    assert np.allclose(inside, -0.1 - 0.2 * (1 - NEW) ** 3, atol=1e-3)
    assert not steady[:30].any()


def test_after_a_cut_nothing_of_the_old_scene_stays() -> None:
    film = Steadier()
    first, second = _texture(64, 96), _texture(64, 96)
    film(first, np.full_like(first, -0.5))
    assert np.abs(film(second, np.zeros_like(second))).mean() < 0.02


def test_without_corrections_nothing_is_done() -> None:
    film = Steadier()
    image = _texture(32, 32)
    zero = np.zeros_like(image)
    assert film(image, zero) is zero
    assert film(image, zero) is zero
