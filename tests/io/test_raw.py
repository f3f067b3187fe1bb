"""Camera RAW files. None may be shipped, so a small DNG with a Bayer mosaic stands for them all."""

import struct
from dataclasses import replace

import made
import numpy as np
import pytest

from unshine import optics
from unshine.errors import UnshineError
from unshine.io import kinds, stills

pytest.importorskip("rawpy")
pytest.importorskip("tifffile")


def _mosaic() -> np.ndarray:
    """Grey under light that makes green twice as strong as red and blue, with a clipped spot."""
    rows, columns = np.mgrid[:64, :96]
    light = 200 + 12.0 * columns
    green = (rows + columns) % 2 == 1
    mosaic = np.where(green, light, light / 2)
    mosaic[20:36, 20:36] = 4095
    return mosaic.astype(np.uint16)


def test_the_sensor_s_light_is_kept_in_sixteen_bits() -> None:
    still = stills.read(made.dng(_mosaic()))
    assert still.kind == "raw"
    assert still.pixels.dtype == np.uint16
    assert still.transfer == "display"
    assert still.pixels.shape[2] == 3
    light = optics.decode(still.pixels / 65535, "srgb")
    row = light[50, 50:90].mean(-1)
    # No tone curve: twice the light is twice the value. White balance: grey is grey.
    slope = np.diff(row)
    assert np.abs(slope[4:-4] / slope[4:-4].mean() - 1).max() < 0.35
    assert abs(row[30] / row[5] - (200 + 12 * 80) / (200 + 12 * 55)) < 0.05
    assert (still.pixels[24:32, 24:32] > 65000).all()


def test_raw_files_are_written_as_something_else() -> None:
    still = stills.read(made.dng(_mosaic()))
    assert stills.ending_of(still.kind) == ".tif"
    written = stills.read(stills.encode(still))
    assert (written.kind, written.bit_depth) == ("tiff", 16)
    assert np.array_equal(written.pixels, still.pixels)
    assert written.metadata.exif is not None
    assert b"X-100" in written.metadata.exif
    assert stills.read(stills.encode(still, "jpeg")).bit_depth == 8
    with pytest.raises(UnshineError, match="RAW files are not written"):
        stills.encode(replace(still, pixels=still.pixels // 2), "raw")


def test_how_a_raw_file_lies_is_applied_once() -> None:
    lying = stills.read(made.dng(_mosaic(), orientation=6))
    assert lying.size == (64, 96)
    again = stills.read(stills.encode(lying))
    assert again.size == (64, 96)
    assert np.array_equal(again.pixels, lying.pixels)


def test_raw_files_are_told_from_tiff() -> None:
    assert kinds.is_raw(made.dng(_mosaic()))
    assert not kinds.is_raw(made.tiff(made.pixels(8, 8, dtype=np.uint16)))
    assert not kinds.is_raw(made.saved(made.pixels(8, 8, 3), "TIFF"))
    # Sensor data may hide behind a small image, in a directory that this one points to.
    nested = struct.pack("<H", 1) + struct.pack("<HHII", 262, 3, 1, 32803) + bytes(4)
    first = struct.pack("<H", 2) + struct.pack("<HHII", 262, 3, 1, 2)
    first += struct.pack("<HHII", 330, 4, 1, 8 + 2 + 24 + 4) + bytes(4)
    assert kinds.is_raw(b"II*\0\x08\0\0\0" + first + nested)
    for start in (
        b"FUJIFILMCCD-RAW 0201",
        b"\0\0\0\x18ftypcrx ",
        b"II*\0\x10\0\0\0CR\x02\0",
        b"IIRO",
    ):
        assert kinds.is_raw(start + bytes(64))


def test_damaged_raw_files_get_a_sentence() -> None:
    data = made.dng(_mosaic())
    for length in (4000, len(data) - 100):
        with pytest.raises(UnshineError, match="RAW file cannot be read"):
            stills.read(data[:length])
    with pytest.raises(UnshineError, match="RAW file cannot be read"):
        stills.read(b"FUJIFILMCCD-RAW 0201" + bytes(2000))
