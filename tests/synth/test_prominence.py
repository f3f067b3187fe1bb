"""What of specular light a person would draw as a highlight."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from unshine.synth.prominence import prominent


def spot(size: int = 64, radius: float = 3, height: float = 0.6) -> torch.Tensor:
    y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32),) * 2, indexing="ij")
    inside = (x - size / 2) ** 2 + (y - size / 2) ** 2 < radius**2
    return (height * inside).expand(1, 3, size, size)


@given(seed=st.integers(0, 1000), height=st.integers(20, 90), width=st.integers(20, 90))
def test_both_parts_add_up_and_neither_is_negative(seed, height, width):
    specular = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) ** 4
    highlight, rest = prominent(0.3 * torch.ones_like(specular), specular)
    assert torch.allclose(highlight + rest, specular, atol=1e-6)
    assert highlight.min() >= 0
    assert rest.min() >= 0


def test_the_parts_keep_the_lights_colour():
    colour = torch.tensor([1.0, 0.7, 0.4]).view(1, 3, 1, 1)
    for part in prominent(torch.full((1, 3, 64, 64), 0.3), spot() * colour):
        assert torch.allclose(part, part[:, :1] * colour, atol=1e-6)


def test_what_hardly_shows_is_no_highlight():
    diffuse = torch.full((1, 3, 64, 64), 0.3)
    faint, plain = spot(height=0.02), spot(height=0.4)
    assert not prominent(diffuse, faint)[0].any()
    kept, rest = prominent(diffuse, plain)
    assert kept.sum() > 0.8 * plain.sum()
    assert torch.allclose(kept + rest, plain)


def test_a_gleam_that_drowns_in_texture_is_no_highlight():
    stripes = (torch.arange(64) % 8 < 4).float().expand(1, 3, 64, 64) * 0.5 + 0.5
    even = torch.full_like(stripes, float(stripes.mean()))
    gleam = spot(height=0.15)
    assert prominent(stripes, gleam)[0].sum() < 0.5 * prominent(even, gleam)[0].sum()


def test_single_pixels_are_no_highlight():
    diffuse = torch.full((1, 3, 64, 64), 0.2)
    dots = torch.zeros(1, 3, 64, 64)
    dots[..., 10, ::6] = 0.5
    assert prominent(diffuse, dots)[0].amax() < 0.05
