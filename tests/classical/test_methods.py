"""What every classical method promises, whichever it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unshine.classical import METHODS, TITLES, akashi2016

QUICK = {name: method for name, method in METHODS.items() if name != "akashi2016"}
QUICK["akashi2016"] = lambda image: akashi2016.remove(image, iterations=30, starts=1)


def psnr(image, truth):
    return -10 * np.log10(np.square(image - truth).mean())


def test_titles():
    assert list(TITLES) == list(METHODS)
    assert [name for name, title in TITLES.items() if title.startswith("after")] == [
        "kim2013",
        "son2020",
    ]


@pytest.mark.parametrize("name", METHODS)
def test_gains_on_dichromatic_scene(name, scene):
    result = METHODS[name](scene.image)
    assert psnr(result, scene.diffuse) > psnr(scene.image, scene.diffuse) + 3


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_result_is_image_less_white_light(name, dtype, scene):
    image = scene.image.astype(dtype)
    image.flags.writeable = False
    result = QUICK[name](image)
    assert result.dtype == dtype
    assert result.shape == image.shape
    assert result.min() >= 0
    assert (image - result).min() >= -1e-6
    if name != "yamamoto2019":  # it takes colours from other pixels
        assert np.ptp(image - result, axis=2).max() < 1e-6


@pytest.mark.parametrize("name", QUICK)
def test_is_repeatable_and_leaves_its_input_alone(name, scene):
    image = scene.image.copy()
    first, second = QUICK[name](image), QUICK[name](image)
    assert np.array_equal(first, second)
    assert not np.shares_memory(first, image)
    assert np.array_equal(image, scene.image)


@pytest.mark.parametrize("name", QUICK)
def test_channels_are_treated_alike(name, scene):
    swapped = QUICK[name](scene.image[..., [2, 0, 1]])
    result = QUICK[name](scene.image)[..., [2, 0, 1]]
    if name in ("tan2005", "yoon2006"):  # colour boundaries look at red and green only
        assert psnr(swapped, result) > 30
    elif name == "akashi2016":  # the random start is not swapped along
        assert np.isfinite(swapped).all()
    else:
        assert np.allclose(swapped, result, atol=1e-5)


ODD_IMAGES = {
    "zeros": np.zeros((9, 8, 3)),
    "ones": np.ones((9, 8, 3)),
    "grey": np.full((9, 8, 3), 0.4),
    "grey noise": np.random.default_rng(0).random((24, 20, 1)).repeat(3, axis=2),
    "one colour": np.full((9, 8, 3), (0.7, 0.2, 0.1)),
    "primaries": np.eye(3)[np.arange(12).reshape(4, 3) % 3],
    "noise": np.random.default_rng(1).random((24, 20, 3)),
    "nearly black": np.random.default_rng(2).random((24, 20, 3)) * 1e-6,
    "one pixel": np.array([[[0.5, 0.4, 0.3]]]),
    "one black pixel": np.zeros((1, 1, 3)),
    "a row": np.random.default_rng(3).random((1, 60, 3)),
    "a column": np.random.default_rng(4).random((60, 1, 3)),
    "one spot": np.pad(np.ones((1, 1, 3)), ((20, 20), (20, 20), (0, 0))),
    "every other column": np.random.default_rng(5).random((20, 40, 3))[:, ::2],
}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("image", ODD_IMAGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_odd_images(name, image, dtype):
    image = ODD_IMAGES[image].astype(dtype)
    result = QUICK[name](image)
    assert result.shape == image.shape
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= image.max() + 1e-6


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 4), (0, 5, 3), (2, 4, 5, 3)])
def test_refuses_what_is_no_rgb_image(name, shape):
    with pytest.raises(ValueError, match="H, W, 3"):
        METHODS[name](np.zeros(shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_large_image(name, scene):
    """12 megapixels; akashi2016 with few iterations, since it would take an hour."""
    image = np.tile(scene.image.astype(np.float32), (32, 32, 1))[:3000, :4000]
    result = QUICK[name](image)
    assert result.shape == (3000, 4000, 3)
    assert np.isfinite(result).all()


# PSNR on animals, cups, fruit and masks, values as stored, whole image: the figures of SIHR's
# README, a MATLAB collection of these methods by other authors.
PUBLISHED = {
    "tan2005": (30.4, 31.6, 30.4, 25.8),
    "yoon2006": (32.9, 33.3, 36.6, 34.1),
    "shen2009": (34.9, 37.6, 36.7, 34.0),
    "yang2010": (36.5, 37.5, 36.2, 33.5),
    "shen2013": (37.5, 38.3, 38.2, 32.7),
    "akashi2016": (32.7, 35.9, 34.8, 34.0),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == "akashi2016" else n for n in PUBLISHED],
)
def test_published_figures(name: str, shen_zheng: Path):
    """Within 0.7 dB of the published figure, or above, on three of the four images."""
    below = []
    for stem, published in zip(("animals", "cups", "fruit", "masks"), PUBLISHED[name], strict=True):
        image, truth = (
            np.asarray(Image.open(shen_zheng / f"{stem}{end}.bmp"), np.float32) / 255
            for end in ("", "_gt")
        )
        below.append(published - psnr(METHODS[name](image), truth))
    assert sorted(below)[2] <= 0.7, f"dB below the published figures: {below}"
