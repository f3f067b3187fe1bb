"""PNG files: 16 bits, and every chunk that still holds."""

import struct
import zlib
from dataclasses import replace

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unshine.errors import UnshineError
from unshine.io import png, stills
from unshine.io.stills import Metadata, Still


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_read_in_full(channels: int) -> None:
    array = made.pixels(20, 30, channels, dtype=np.uint16)
    still = stills.read(made.png(array))
    planes = np.atleast_3d(still.pixels)
    planes = planes if still.alpha is None else np.dstack([planes, still.alpha])
    assert planes.dtype == np.uint16
    assert np.array_equal(planes, array)


@settings(deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1)
)
def test_sixteen_bits_are_written_in_full(
    height: int, width: int, grey: bool, clear: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 65536, (height, width) if grey else (height, width, 3), dtype=np.uint16)
    array[: height // 2] = made.pixels(*array[: height // 2].shape, dtype=np.uint16)
    alpha = rng.integers(0, 65536, (height, width), dtype=np.uint16) if clear else None
    data = stills.encode(Still(array, alpha), "png")
    again = stills.read(data)
    assert np.array_equal(again.pixels, array)
    assert (alpha is None and again.alpha is None) or np.array_equal(again.alpha, alpha)


def test_another_decoder_reads_what_is_written() -> None:
    codecs = pytest.importorskip("imagecodecs")
    array = made.pixels(50, 70, 3, dtype=np.uint16)
    assert np.array_equal(codecs.png_decode(stills.encode(Still(array), "png")), array)


def test_filters_make_photographs_smaller() -> None:
    array = made.pixels(200, 300, 3, dtype=np.uint16)
    assert len(stills.encode(Still(array), "png")) < 0.9 * len(made.png(array))


def test_a_transparent_colour_of_sixteen_bits() -> None:
    array = made.pixels(6, 8, 3, dtype=np.uint16)
    key = struct.pack(">3H", *array[2, 3])
    still = stills.read(made.png(array, (b"tRNS", key)))
    assert still.alpha is not None
    assert still.alpha.dtype == np.uint16
    assert np.array_equal(still.alpha == 0, (array == array[2, 3]).all(-1))


TEXTS = [
    (b"tEXt", b"Title\0balls"),
    (b"zTXt", b"Note\0\0" + zlib.compress(b"a long text")),
    (b"iTXt", "Größe\0\0\0de\0Größe\0rund".encode()),
    (b"tEXt", b"parameters\0a red ball, Steps: 20"),
    (b"tEXt", b"parameters\0twice"),
]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_chunks_that_still_hold_stay(dtype: type) -> None:
    others = [(b"prVt", b"private and safe to copy"), (b"sCAL", b"\x011\0" + b"1")]
    colour = [
        (b"cICP", bytes([12, 13, 0, 1])), (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
        (b"mDCV", bytes(24)), (b"cLLI", bytes(8)),
    ]  # fmt: skip
    physical = (b"pHYs", struct.pack(">IIB", 11811, 11812, 1))
    dropped = [(b"tIME", bytes(7)), (b"prVT", b"private, tied to the pixels"), (b"caBX", b"c2pa")]
    tied = [(b"bKGD", bytes(6))]
    given_chunks = [*colour, physical, *tied, *TEXTS, *others, *dropped]
    still = stills.read(made.png(made.pixels(20, 30, 3, dtype=dtype), *given_chunks))
    pixels = still.pixels.copy()
    pixels[0, 0] = 0
    written = png.chunks(stills.encode(replace(still, pixels=pixels)))
    for pair in [*colour, physical, *tied, *TEXTS, others[0]]:
        assert pair in written, pair
    for name, _ in dropped:
        assert name not in dict(written)
    assert stills.lost(still, "png") == ("content credentials",)
    names = [name for name, _ in written]
    assert max(names.index(name) for name, _ in colour) < names.index(b"IDAT")


def test_tied_chunks_go_when_the_pixels_are_stored_otherwise() -> None:
    still = stills.read(made.png(made.pixels(20, 30, 3), (b"sBIT", b"\x05\x06\x05")))
    written = png.chunks(stills.encode(still, bit_depth=16))
    assert b"sBIT" not in dict(written)


def test_jpeg_comments_become_text() -> None:
    still = Still(made.pixels(4, 4, 3), metadata=Metadata(comment=b"a comment"))
    written = png.chunks(stills.encode(still, "png"))
    assert (b"iTXt", b"Comment\0\0\0\0\0a comment") in written


def test_a_bomb_in_a_text_costs_nothing() -> None:
    bomb = zlib.compress(bytes(2**26))
    chunks = [(b"zTXt", b"Note\0\0" + bomb), (b"iCCP", b"name\0\0" + bomb)]
    still = stills.read(made.png(made.pixels(4, 4, 3), *chunks))
    assert still.metadata.icc_profile is None or len(still.metadata.icc_profile) <= 2**24


def test_animations_are_refused() -> None:
    data = made.png(made.pixels(4, 4, 3), (b"acTL", struct.pack(">II", 2, 0)))
    with pytest.raises(UnshineError, match="animation"):
        stills.read(data)
    single = made.png(made.pixels(4, 4, 3), (b"acTL", struct.pack(">II", 1, 0)))
    assert stills.read(single).size == (4, 4)
