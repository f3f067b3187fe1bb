"""Image formation against references: NumPy's solver, scikit-image, the other array library."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

from unshine import optics

rng = np.random.default_rng(0)


@given(st.lists(st.floats(0, 1), min_size=1), st.sampled_from(["power", "srgb"]))
def test_encode_inverts_decode(values, transfer):
    display = np.array(values)
    assert np.allclose(optics.encode(optics.decode(display, transfer), transfer), display)


@pytest.mark.parametrize("transfer", ["power", "srgb"])
def test_transfer_is_the_same_in_torch(transfer):
    values = rng.uniform(-0.2, 1.5, 1000)
    for function in (optics.decode, optics.encode):
        expected = function(values, transfer)
        assert np.allclose(function(torch.from_numpy(values), transfer).numpy(), expected)


def test_srgb_has_its_published_values():
    # Mid grey, and the place where the two pieces of the curve meet.
    assert optics.decode(np.array(0.5), "srgb") == pytest.approx(0.21404, abs=1e-5)
    assert optics.decode(np.array(0.04045), "srgb") == pytest.approx(0.04045 / 12.92)
    assert optics.encode(np.array(0.0031309), "srgb") == pytest.approx(0.04045, abs=1e-4)


def test_a_power_law_commutes_with_the_product():
    albedo, shading = rng.uniform(0, 1, (2, 50))
    product = optics.decode(albedo) * optics.decode(shading)
    assert np.allclose(optics.decode(albedo * shading), product)


def test_compose_and_residue_are_inverse():
    albedo, shading, specular = rng.uniform(0, 1, (3, 4, 5, 3))
    image = optics.compose(albedo, shading, specular)
    assert np.allclose(optics.residue(image, albedo * shading), specular)
    assert optics.clip(image).max() <= 1


def test_tone_fit_is_the_weighted_least_squares_solution():
    diffuse, image = rng.uniform(0, 1, (2, 200, 3))
    weight = rng.uniform(0, 1, (200, 1))
    design = np.hstack([np.ones((200, 1)), diffuse])
    expected, *_ = np.linalg.lstsq(design * weight**0.5, image * weight**0.5, rcond=None)
    assert np.allclose(optics.fit_tone(diffuse, image, weight, ridge=0), expected)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_tone_fit_of_a_single_colour_is_finite(weight):
    flat = np.full((50, 3), 0.3)
    tone = optics.fit_tone(flat, flat, np.full((50, 1), weight))
    assert np.allclose(optics.apply_tone(flat, tone), flat)


def test_tone_correction_undoes_a_tint_and_leaves_the_highlight_out():
    mask = np.ones((40, 40, 1))
    diffuse = rng.uniform(0.2, 0.6, (40, 40, 3))
    tinted = diffuse * [1.02, 1.0, 0.98] + 0.005
    image = tinted.copy()
    image[10:20, 10:20] += 0.3
    corrected = optics.tone_correction(diffuse, image, mask, channel_axis=2)
    assert np.abs(corrected - tinted).max() < 0.004
    assert np.abs(diffuse - tinted).max() > 0.012


def test_tone_correction_is_the_same_in_either_layout_and_library():
    diffuse = rng.uniform(0, 1, (8, 9, 3))
    image = (diffuse + 0.01 * rng.standard_normal((8, 9, 3))).clip(0, 1)
    mask = (rng.random((8, 9, 1)) < 0.7) * 1.0
    expected = optics.tone_correction(diffuse, image, mask, channel_axis=2)
    batch = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (diffuse, image, mask)]
    result = optics.tone_correction(*batch, channel_axis=1)
    assert np.allclose(result[0].permute(1, 2, 0).numpy(), expected)


def test_mindspore_agrees_with_numpy_in_both_modes():
    mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")

    def everything(image, diffuse, shading):
        light, diffuse_light = optics.decode(image), optics.decode(diffuse)
        specular = optics.residue(light, diffuse_light)
        return (
            optics.encode(optics.clip(optics.compose(diffuse_light, shading, specular))),
            optics.encode(optics.decode(image, "srgb"), "srgb"),
            optics.highlight_map(image, diffuse, 1),
        )

    arrays = rng.uniform(-0.1, 1.2, (3, 2, 3, 6, 5)).astype(np.float32)
    tensors = [mindspore.Tensor(array) for array in arrays]
    for function in (everything, mindspore.jit(everything)):
        for got, want in zip(function(*tensors), everything(*arrays), strict=True):
            assert np.abs(got.asnumpy() - want).max() < 1e-5


def test_highlight_map_ends_where_the_evaluation_begins():
    clean = np.full((1, 5, 3), 0.5)
    image = clean + np.array([0, 2 / 255, 0.02, 0.04, 0.3])[None, :, None] * [0, 1, 0.5]
    highlight = optics.highlight_map(image, clean, channel_axis=2)
    assert highlight.shape == (1, 5, 1)
    assert np.allclose(highlight[0, [0, 1, 3, 4], 0], [0, 0, 1, 1], atol=1e-9)
    assert 0 < highlight[0, 2, 0] < 1
    assert not optics.highlight_map(clean - 0.2, clean, channel_axis=2).any()


def test_paper_mask_is_otsu_on_lightness():
    specular = np.zeros((60, 60, 3))
    specular[20:40, 20:40] = rng.uniform(0.5, 1, (20, 20, 1))
    specular += rng.uniform(0, 0.1, specular.shape)
    lightness = rgb2lab(specular)[..., 0]
    lightness = (lightness - lightness.min()) / np.ptp(lightness)
    expected = lightness > threshold_otsu(lightness, 256)
    mask = optics.paper_highlight_mask(specular.reshape(-1, 3)).reshape(60, 60)
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
    corrected = optics.paper_tone_correction(diffuse, image, specular)
    assert _psnr(corrected[inside], toned[inside]) > 39


def _psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def test_paper_tone_correction_of_a_grey_picture():
    rng = np.random.default_rng(4)
    diffuse = np.repeat(rng.random((24, 24, 1), np.float32), 3, axis=2)
    specular = np.zeros_like(diffuse)
    specular[:3] = 0.3
    image = 0.9 * diffuse + 0.05
    corrected = optics.paper_tone_correction(diffuse, image, specular)
    np.testing.assert_allclose(corrected, image, atol=1e-4)
