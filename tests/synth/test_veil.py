"""What stands out of specular light, and what is a veil."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unshine.synth import veil


def spot(size: int = 64, radius: float = 3, height: float = 0.6) -> torch.Tensor:
    y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32),) * 2, indexing="ij")
    inside = (x - size / 2) ** 2 + (y - size / 2) ** 2 < radius**2
    return (height * inside).expand(1, 3, size, size)


@given(seed=st.integers(0, 1000), height=st.integers(20, 90), width=st.integers(20, 90))
def test_both_parts_add_up_and_neither_is_negative(seed, height, width):
    specular = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) ** 4
    highlight, rest = veil.split(specular)
    assert torch.allclose(highlight + rest, specular, atol=1e-6)
    assert highlight.min() >= 0
    assert rest.min() >= 0


@pytest.mark.parametrize("size", [64, 200])
def test_a_small_spot_is_a_highlight_and_broad_gloss_a_veil(size):
    small, broad = spot(size, 0.04 * size), spot(size, 0.35 * size)
    assert torch.allclose(veil.split(small)[0], small, atol=1e-6)
    highlight, rest = veil.split(broad)
    assert rest.sum() > 0.8 * broad.sum()
    assert highlight.amax() < broad.amax() + 1e-6


def test_the_parts_keep_the_lights_colour():
    colour = torch.tensor([1.0, 0.7, 0.4]).view(1, 3, 1, 1)
    highlight, rest = veil.split((spot() + 0.2) * colour)
    for part in (highlight, rest):
        assert torch.allclose(part, part[:, :1] * colour, atol=1e-6)


def test_what_hardly_shows_is_no_highlight():
    diffuse = torch.full((1, 3, 64, 64), 0.3)
    faint, plain = spot(height=0.02), spot(height=0.4)
    assert not veil.prominent(diffuse, faint)[0].any()
    kept, rest = veil.prominent(diffuse, plain)
    assert kept.sum() > 0.8 * plain.sum()
    assert torch.allclose(kept + rest, plain)


def test_a_gleam_that_drowns_in_texture_is_no_highlight():
    stripes = (torch.arange(64) % 8 < 4).float().expand(1, 3, 64, 64) * 0.5 + 0.5
    even = torch.full_like(stripes, float(stripes.mean()))
    gleam = spot(height=0.15)
    assert veil.prominent(stripes, gleam)[0].sum() < 0.5 * veil.prominent(even, gleam)[0].sum()


def test_single_pixels_are_no_highlight():
    diffuse = torch.full((1, 3, 64, 64), 0.2)
    dots = torch.zeros(1, 3, 64, 64)
    dots[..., 10, ::6] = 0.5
    assert veil.prominent(diffuse, dots)[0].amax() < 0.05
