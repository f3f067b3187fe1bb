import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unshine import pixels
from unshine.errors import UnshineError

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_survive_display_values(dtype: str) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    display = pixels.to_display(values)
    assert (display[0], display[-1]) == (0, 1)
    assert np.array_equal(pixels.from_display(display, values.dtype), values)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
def test_colours_are_a_view_without_the_alpha(shape: tuple[int, ...]) -> None:
    image = np.ones(shape, np.uint8)
    colours = pixels.colours(image)
    colours[:] = 0
    alpha = image[..., -1] if shape[2:] in ((2,), (4,)) else None
    assert alpha is None or alpha.all()
    assert image.sum() == (0 if alpha is None else alpha.size)
    assert pixels.rgb(image).shape == (4, 5, 3)


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_resizing_keeps_constants_and_channels(
    shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    values = np.broadcast_to(np.linspace(0, 1, shape[2], dtype=np.float32), shape)
    for resample in (Image.Resampling.BOX, Image.Resampling.BICUBIC):
        result = pixels.resize(values, size, resample)
        assert result.shape == (*size, shape[2])
        assert result.dtype == np.float32
        assert np.allclose(result, values[0, 0], atol=1e-6)


def test_reducing_averages_areas() -> None:
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    reduced = pixels.reduce(image, 15)
    assert np.allclose(reduced, image.reshape(10, 2, 15, 2, 3).mean((1, 3)) / 255, atol=1e-6)
    assert np.array_equal(pixels.reduce(image, 30), pixels.to_display(image))


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_strips_cover_every_row_once(height: int, width: int) -> None:
    strips = list(pixels.strips((height, width, 3)))
    assert [row for rows in strips for row in range(rows.start, rows.stop)] == list(range(height))
    assert all((s.stop - s.start) * width <= max(pixels.STRIP_PIXELS, width) for s in strips)


@pytest.mark.parametrize("mode", pixels.PIL_MODES)
def test_pillow_there_and_back(mode: str) -> None:
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = rng.integers(0, 256, (7, 9, channels), np.uint8)
    values = values[..., 0] if channels == 1 else values
    values = {"I;16": values.astype(np.uint16), "F": values.astype(np.float32)}.get(mode, values)
    image = Image.fromarray(values)
    image.info["dpi"] = (300, 300)
    assert image.mode == mode
    back = pixels.to_pil(pixels.from_pil(image), image)
    assert (back.mode, back.info) == (mode, {"dpi": (300, 300)})
    assert np.array_equal(np.asarray(back), values)


@pytest.mark.parametrize("clear", [False, True])
def test_palettes_are_looked_up(clear: bool) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([1, 0])
    if clear:
        image.info["transparency"] = 0
    values = pixels.from_pil(image)
    assert values[..., :3].tolist() == [[[200, 100, 50], [10, 20, 30]]]
    assert values.shape[2] == (4 if clear else 3)
    result = pixels.to_pil(values, image)
    assert result.mode == ("RGBA" if clear else "RGB")
    assert "transparency" not in result.info


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "HSV", "YCbCr", "1", "I"])
def test_other_modes_are_refused_in_one_sentence(mode: str) -> None:
    with pytest.raises(UnshineError, match=f"mode {mode} cannot be used"):
        pixels.from_pil(Image.new(mode, (2, 2)))
