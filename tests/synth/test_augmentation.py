"""Photographs as they might have been: no highlight comes in, and each change does what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unshine.synth import augmentation
from unshine.synth.augmentation import augment

CHANGES = ("SPLICED", "TONED", "HAZY", "BLURRED", "BRIGHTENED")


@pytest.fixture
def only(monkeypatch):
    """Make one change certain and all others impossible."""

    def choose(*wanted: str) -> None:
        for change in CHANGES:
            monkeypatch.setattr(augmentation, change, float(change in wanted))

    return choose


def noise(seed: int, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (96, 96, 3), dtype=np.uint8)


@given(seed=st.integers(0, 1000), height=st.integers(16, 80), width=st.integers(16, 80))
def test_an_even_photograph_stays_even(seed, height, width):
    image = np.full((height, width, 3), (90, 120, 60), np.uint8)
    result = augment(image, image, np.random.default_rng(seed))
    assert result.dtype == np.uint8
    assert result.shape == image.shape
    assert np.ptp(result.astype(int), axis=(0, 1)).max() <= 1


def test_another_photograph_begins_at_a_boundary(only):
    only("SPLICED")
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    shares = [augment(black, white, np.random.default_rng(seed)).mean() / 255 for seed in range(8)]
    assert all(0 < share < 1 for share in shares)


def test_another_tone_keeps_black_white_and_order(only):
    only("TONED")
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    for seed in range(8):
        result = augment(ramp, ramp, np.random.default_rng(seed)).astype(int)
        assert (result[0, 0], result[0, -1]) == (pytest.approx(0), pytest.approx(255))
        assert (np.diff(result, axis=1) >= 0).all()


def test_haze_takes_contrast(only):
    only("HAZY")
    image = noise(4)
    results = [augment(image, image, np.random.default_rng(seed)) for seed in range(8)]
    assert all(result.std() < image.std() for result in results)


def test_out_of_focus_detail_goes_and_light_stays(only):
    only("BLURRED")
    image = noise(1, 60, 180)
    results = [augment(image, image, np.random.default_rng(seed)) for seed in range(8)]
    assert all(result.std() < image.std() for result in results)
    # The light is kept, and so the display values rise a little: an encoded mean exceeds a mean.
    assert all(0 <= result.mean() - image.mean() < 8 for result in results)


def test_a_longer_exposure_darkens_nothing(only):
    only("BRIGHTENED")
    image = noise(2)
    result = augment(image, image, np.random.default_rng(3))
    assert (result >= image).all()
    assert (result > image).any()


def test_chance_may_leave_a_photograph_alone(only):
    only()
    image = noise(5)
    np.testing.assert_array_equal(augment(image, image, np.random.default_rng(0)), image)
