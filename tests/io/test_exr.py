"""OpenEXR files: the image, and all else that they hold."""

from dataclasses import replace

import made
import numpy as np
import pytest

from unshine.errors import UnshineError
from unshine.io import icc, stills

OpenEXR = pytest.importorskip("OpenEXR")

COLOURS = made.pixels(24, 30, 3, dtype=np.float32) * 4


def test_other_channels_and_attributes_stay() -> None:
    depth = made.pixels(24, 30, dtype=np.float32) * 100
    numbers = made.pixels(24, 30, dtype=np.uint16).astype(np.uint32)
    window = (np.array([5, 6], np.int32), np.array([34, 29], np.int32))
    data = made.exr(
        {"RGB": COLOURS.astype(np.float16), "Z": depth, "id": numbers}, owner="me",
        compression=OpenEXR.PIZ_COMPRESSION, dataWindow=window, expTime=0.25,
    )  # fmt: skip
    still = stills.read(data)
    pixels = still.pixels.copy()
    pixels[0, 0] = 0.5
    again = stills.read(stills.encode(replace(still, pixels=pixels)))
    assert again.source is not None
    assert still.source is not None
    others = again.source.coding["others"]
    assert np.array_equal(others["Z"], depth)
    assert np.array_equal(others["id"], numbers)
    assert again.metadata.named["owner"] == "me"
    assert again.metadata.named["expTime"] == 0.25
    assert again.source.coding["compression"] == OpenEXR.PIZ_COMPRESSION
    assert np.array_equal(again.source.coding["windows"][0], window)
    assert np.array_equal(again.pixels, pixels)


def test_light_beyond_white_stays_where_nothing_is_corrected() -> None:
    still = stills.read(made.exr({"RGB": COLOURS}))
    assert still.pixels.max() > 3
    shown = stills.for_display(still)
    assert abs(shown.max() - 1) < 1e-6
    assert not stills.with_display(still, shown).changed()


def test_layers_of_other_programs() -> None:
    planes = {f"View.Combined.{letter}": COLOURS[..., i] for i, letter in enumerate("RGB")}
    planes |= {f"View.Albedo.{letter}": COLOURS[..., i] / 2 for i, letter in enumerate("RGB")}
    still = stills.read(made.exr(planes))
    assert np.array_equal(still.pixels, COLOURS)
    with pytest.raises(UnshineError, match="no channels R, G and B"):
        stills.read(made.exr({"N.X": COLOURS[..., 0], "N.Y1": COLOURS[..., 1]}))


def test_primaries_are_kept() -> None:
    points = icc.PRIMARIES[9]
    flat = tuple(value for point in points for value in point)
    still = stills.read(made.exr({"RGB": COLOURS}, chromaticities=flat))
    assert np.allclose(icc.primaries(still.metadata.icc_profile or b"") or (), points, atol=1e-3)
    pixels = still.pixels.copy()
    pixels[0] = 0
    again = stills.read(stills.encode(replace(still, pixels=pixels)))
    assert np.allclose(np.ravel(again.metadata.named["chromaticities"]), flat)


def test_values_too_large_for_halves_are_cut_rather_than_infinite() -> None:
    still = stills.read(made.exr({"RGB": COLOURS}))
    bright = replace(still, pixels=still.pixels * 1e6)
    assert np.isfinite(stills.read(stills.encode(bright, bit_depth=16)).pixels).all()


def test_several_parts_are_refused() -> None:
    import io

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [OpenEXR.Part(dict(header), {"RGB": COLOURS.copy()}, n) for n in ("left", "right")]
    buffer = io.BytesIO()
    OpenEXR.File(parts).write(buffer)
    with pytest.raises(UnshineError, match="several parts"):
        stills.read(buffer.getvalue())


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(share: float) -> None:
    data = made.exr({"RGB": COLOURS})
    with pytest.raises(UnshineError, match=r"damaged|not a"):
        stills.read(data[: int(share * len(data))])


def test_sixteen_bit_images_are_not_cut_to_halves() -> None:
    source = stills.read(made.png(made.pixels(24, 30, 3, dtype=np.uint16)))
    assert stills.read(stills.encode(source, "exr")).bit_depth == 32
    assert stills.read(stills.encode(source, "exr", bit_depth=16)).bit_depth == 16
