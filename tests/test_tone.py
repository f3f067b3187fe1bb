"""Tone correction against references: NumPy's solver, scikit-image, the other array library."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

from unshine import optics, tone

rng = np.random.default_rng(0)


def test_tone_fit_is_the_weighted_least_squares_solution():
    diffuse, image = rng.uniform(0, 1, (2, 200, 3))
    weight = rng.uniform(0, 1, (200, 1))
    design = np.hstack([np.ones((200, 1)), diffuse])
    expected, *_ = np.linalg.lstsq(design * weight**0.5, image * weight**0.5, rcond=None)
    assert np.allclose(tone.fit(diffuse, image, weight, ridge=0), expected)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_tone_fit_of_a_single_colour_is_finite(weight):
    flat = np.full((50, 3), 0.3)
    found = tone.fit(flat, flat, np.full((50, 1), weight))
    assert np.allclose(tone.apply(flat, found), flat)


def test_tone_correction_undoes_a_tint_and_leaves_the_highlight_out():
    mask = np.ones((40, 40, 1))
    diffuse = rng.uniform(0.2, 0.6, (40, 40, 3))
    tinted = diffuse * [1.02, 1.0, 0.98] + 0.005
    image = tinted.copy()
    image[10:20, 10:20] += 0.3
    corrected = tone.correction(diffuse, image, mask, channel_axis=2)
    assert np.abs(corrected - tinted).max() < 0.004
    assert np.abs(diffuse - tinted).max() > 0.012


def test_tone_correction_is_the_same_in_either_layout_and_library():
    diffuse = rng.uniform(0, 1, (8, 9, 3))
    image = (diffuse + 0.01 * rng.standard_normal((8, 9, 3))).clip(0, 1)
    mask = (rng.random((8, 9, 1)) < 0.7) * 1.0
    expected = tone.correction(diffuse, image, mask, channel_axis=2)
    batch = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (diffuse, image, mask)]
    result = tone.correction(*batch, channel_axis=1)
    assert np.allclose(result[0].permute(1, 2, 0).numpy(), expected)


def test_paper_mask_is_otsu_on_lightness():
    specular = np.zeros((60, 60, 3))
    specular[20:40, 20:40] = rng.uniform(0.5, 1, (20, 20, 1))
    specular += rng.uniform(0, 0.1, specular.shape)
    lightness = rgb2lab(specular)[..., 0]
    lightness = (lightness - lightness.min()) / np.ptp(lightness)
    expected = lightness > threshold_otsu(lightness, 256)
    mask = tone.paper_highlight_mask(specular.reshape(-1, 3)).reshape(60, 60)
    assert (mask == expected).mean() > 0.998


def test_the_public_sample_obeys_the_physics(real_pairs):
    sample = real_pairs / "sshr-sample"
    paths = (sample / "test_tuples.lst").read_text().split()
    images = [np.asarray(Image.open(sample / path)) / 255.0 for path in paths]
    image, albedo, shading, specular, diffuse, toned, mask = images
    inside = mask.reshape(*mask.shape[:2], -1)[..., 0] > 0.5
    layers = (optics.decode(x) for x in (albedo, shading, specular))
    composed = optics.clip(optics.compose(*layers))
    assert _psnr(composed[inside], optics.decode(image)[inside]) > 42
    corrected = tone.paper_correction(diffuse, image, specular)
    assert _psnr(corrected[inside], toned[inside]) > 39


def _psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def test_paper_tone_correction_of_a_grey_image():
    rng = np.random.default_rng(4)
    diffuse = np.repeat(rng.random((24, 24, 1), np.float32), 3, axis=2)
    specular = np.zeros_like(diffuse)
    specular[:3] = 0.3
    image = 0.9 * diffuse + 0.05
    corrected = tone.paper_correction(diffuse, image, specular)
    np.testing.assert_allclose(corrected, image, atol=1e-4)
