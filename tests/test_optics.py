"""Image formation against references: NumPy's solver, scikit-image, the other array library."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unshine import layers, optics

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


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_largest_channel_is_the_maximum(axis):
    values = np.moveaxis(rng.random((3, 5, 6)), 0, axis)
    assert np.allclose(optics.largest_channel(values, axis), values.max(axis, keepdims=True))


@pytest.mark.parametrize("name", layers.NAMES)
def test_linear_layers_alone_are_encoded(name):
    values = np.linspace(0, 1, 5)
    linear = name in ("shading", "specular")
    expected = optics.encode(values) if linear else values
    assert np.array_equal(optics.displayed(name, values), expected)
