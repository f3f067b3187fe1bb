"""Photographs out of focus: what a lens does, and nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unshine.synth import defocus as module
from unshine.synth.defocus import defocus


def always(monkeypatch, blurred: float, brightened: float) -> None:
    monkeypatch.setattr(module, "BLURRED", blurred)
    monkeypatch.setattr(module, "BRIGHTENED", brightened)


@given(seed=st.integers(0, 1000), height=st.integers(16, 80), width=st.integers(16, 80))
def test_an_even_photograph_stays_even(seed, height, width):
    image = np.full((height, width, 3), (90, 120, 60), np.uint8)
    result = defocus(image, np.random.default_rng(seed))
    assert result.dtype == np.uint8
    assert result.shape == image.shape
    assert np.ptp(result, axis=(0, 1)).max() == 0
    assert (result >= image).all()


def test_detail_goes_and_light_stays(monkeypatch):
    always(monkeypatch, 1, 0)
    noise = np.random.default_rng(1).integers(60, 180, (96, 96, 3), dtype=np.uint8)
    results = [defocus(noise, np.random.default_rng(seed)) for seed in range(8)]
    assert all(result.std() < noise.std() for result in results)
    # The light is kept, and so the display values rise a little: an encoded mean exceeds a mean.
    assert all(0 <= result.mean() - noise.mean() < 8 for result in results)


def test_a_longer_exposure_darkens_nothing(monkeypatch):
    always(monkeypatch, 0, 1)
    noise = np.random.default_rng(2).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    result = defocus(noise, np.random.default_rng(3))
    assert (result >= noise).all()
    assert (result > noise).any()


def test_chance_may_leave_a_photograph_alone(monkeypatch):
    always(monkeypatch, 0, 0)
    image = np.zeros((16, 16, 3), np.uint8)
    assert defocus(image, np.random.default_rng(0)) is image
