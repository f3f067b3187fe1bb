"""Images in their own light: linear, PQ and HLG, from files and back."""

import struct
from dataclasses import replace

import made
import numpy as np
import pytest

from unshine.errors import UnshineError
from unshine.io import icc, light, stills
from unshine.io.stills import Metadata, Still


@pytest.mark.parametrize("transfer", ["display", "linear", "pq", "hlg"])
def test_storing_undoes_reading(transfer: str) -> None:
    values = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
    again = light.from_linear(light.to_linear(values, transfer), transfer)
    assert np.abs(again - values).max() < 1e-4


def test_white_is_where_the_standards_put_it() -> None:
    # ITU-R BT.2408, table 1: reference white is 58 % in PQ and 75 % in HLG.
    assert abs(light.to_linear(np.array([[0.58]], np.float32), "pq").item() - 1) < 0.02
    assert abs(light.to_linear(np.array([[0.75]], np.float32), "hlg").item() - 1) < 1e-3
    # ITU-R BT.2100: PQ's top is 10,000 cd/m².
    assert abs(light.to_linear(np.array([[1.0]], np.float32), "pq").item() * 203 - 10_000) < 5


LINEAR = [(b"gAMA", struct.pack(">I", 100_000))]
PQ = [(b"cICP", bytes([9, 16, 0, 1]))]
HLG = [(b"cICP", bytes([9, 18, 0, 1]))]


@pytest.mark.parametrize(("chunks", "transfer"), [(LINEAR, "linear"), (PQ, "pq"), (HLG, "hlg")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_are_worked_on_in_their_own_light(chunks: list, transfer: str, dtype: type) -> None:
    array = made.pixels(40, 50, 3, dtype=dtype)
    still = stills.read(made.png(array, *chunks))
    assert still.transfer == transfer
    shown = stills.for_display(still)
    assert shown.shape == array.shape
    assert shown.dtype != np.uint8
    # Nothing corrected: not a bit changes.
    assert not stills.with_display(still, shown).changed()
    clean = shown.copy()
    clean[:10] = clean[:10] // 2 if clean.dtype.kind == "u" else clean[:10] / 2
    result = stills.with_display(still, clean)
    assert np.array_equal(result.pixels[10:], array[10:])
    changed = result.pixels[:10].astype(float) < array[:10]
    assert changed.mean() > 0.9
    again = stills.read(stills.encode(result))
    assert again.transfer == transfer
    assert np.array_equal(again.pixels, result.pixels)
    assert again.metadata.colour == still.metadata.colour


def test_light_beyond_white_goes_with_the_highlight() -> None:
    pixels = np.full((4, 4, 3), 0.3, np.float32)
    pixels[0] = 12.0
    pixels[1] = 5.0
    still = Still(pixels, transfer="linear")
    clean = stills.for_display(still).copy()
    assert abs(clean.max() - 1) < 1e-6
    clean[0] = 0.5
    result = stills.with_display(still, clean).pixels
    assert np.allclose(result[0], 0.2140, atol=1e-3)
    assert np.array_equal(result[1:], pixels[1:])


@pytest.mark.parametrize("chunks", [PQ, HLG])
@pytest.mark.parametrize("target", ["jpeg", "webp", "bmp", "tiff"])
def test_hdr_images_are_refused_where_they_would_look_wrong(chunks: list, target: str) -> None:
    still = stills.read(made.png(made.pixels(8, 8, 3, dtype=np.uint16), *chunks))
    with pytest.raises(UnshineError, match=r"HDR image .*cannot hold; write"):
        stills.encode(still, target)
    with pytest.raises(UnshineError, match="8 bits"):
        stills.encode(still, "png", bit_depth=8)


def test_linear_images_become_ordinary_ones_in_kinds_that_hold_no_others() -> None:
    array = made.pixels(40, 50, 3, dtype=np.uint16)
    still = stills.read(made.png(array, *LINEAR))
    written = stills.read(stills.encode(still, "jpeg", quality=98))
    assert written.transfer == "display"
    assert written.metadata.icc_profile is None
    expected = stills.for_display(still) * 255
    assert np.abs(written.pixels - expected).mean() < 3


def test_linear_images_stay_linear_where_a_profile_can_say_so() -> None:
    pytest.importorskip("tifffile")
    array = made.pixels(8, 8, 3, dtype=np.uint16)
    written = stills.read(stills.encode(stills.read(made.png(array, *LINEAR)), "tiff"))
    assert written.transfer == "linear"
    assert np.array_equal(written.pixels, array)


def test_wide_primaries_survive_other_light() -> None:
    points = icc.PRIMARIES[12]
    tiff = pytest.importorskip("tifffile")
    assert tiff
    pixels = made.pixels(8, 8, 3, dtype=np.uint16)
    profile = icc.of_primaries(points)
    still = Still(pixels, metadata=Metadata(icc_profile=profile))
    pytest.importorskip("OpenEXR")
    light_file = stills.read(stills.encode(still, "exr"))
    assert light_file.transfer == "linear"
    found = icc.primaries(light_file.metadata.icc_profile or b"")
    assert np.allclose(found or (), points, atol=1e-3)
    back = stills.read(stills.encode(light_file, "png"))
    assert back.transfer == "display"
    assert np.allclose(icc.primaries(back.metadata.icc_profile or b"") or (), points, atol=1e-3)
    assert np.abs(back.pixels.astype(int) - pixels).max() <= 2


def test_opacity_survives_other_light() -> None:
    pytest.importorskip("OpenEXR")
    pixels, alpha = made.pixels(8, 8, 3), made.pixels(8, 8, seed=1) | 8
    light_file = stills.read(stills.encode(Still(pixels, alpha), "exr"))
    assert light_file.premultiplied
    back = stills.read(stills.encode(light_file, "png", bit_depth=8))
    assert np.abs(back.pixels.astype(int) - pixels).max() <= 2
    assert back.alpha is not None
    assert np.abs(back.alpha.astype(int) - alpha).max() <= 1


def test_replacing_pixels_keeps_the_source() -> None:
    still = stills.read(made.png(made.pixels(8, 8, 3)))
    assert replace(still, pixels=still.pixels + 1).changed()
    assert not replace(still, pixels=still.pixels.copy()).changed()


def test_floats_for_display_may_leave_their_range() -> None:
    pytest.importorskip("tifffile")
    array = made.pixels(8, 8, 3, dtype=np.float32)
    array[0, 0], array[0, 1], array[0, 2] = 7, -1, np.nan
    tags = [(34675, "B", len(made.SRGB), made.SRGB, True)]
    still = stills.read(made.tiff(array, extratags=tags))
    shown = stills.for_display(still)
    assert shown.min() >= 0
    assert shown.max() <= 1
    clean = shown.copy()
    clean[4:] *= 0.5
    result = stills.with_display(still, clean).pixels
    assert np.array_equal(result[:4], array[:4], equal_nan=True)
    assert np.allclose(result[4:], array[4:] * 0.5, atol=1e-4)
