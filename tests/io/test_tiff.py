"""TIFF files of all depths, as other programs write them."""

import io
import struct
from dataclasses import replace

import made
import numpy as np
import pytest
from PIL import Image

from unshine.errors import UnshineError
from unshine.io import exif, stills
from unshine.io.stills import Still

tifffile = pytest.importorskip("tifffile")


def _compression(data: bytes) -> tuple[int, int]:
    head = exif.header(data)
    tags, _ = exif.directory(data, head, head.first)
    return exif.number(tags, 259, head.order, 1), exif.number(tags, 317, head.order, 1)


def _corrected(still: Still) -> Still:
    pixels = still.pixels.copy()
    pixels[0, 0] = 0
    return replace(still, pixels=pixels)


@pytest.mark.parametrize(
    ("compression", "code"),
    [
        (None, 1),
        ("lzw", 5),
        ("adobe_deflate", 8),
        ("packbits", 32773),
        ("zstd", 50000),
        ("lzma", 34925),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("predictor", [False, True])
def test_compression_stays(
    compression: str | None, code: int, dtype: type, predictor: bool
) -> None:
    pytest.importorskip("imagecodecs")
    if predictor and compression in (None, "packbits"):
        pytest.skip("there is no predictor")
    array = made.pixels(40, 50, 3, dtype=dtype)
    data = made.tiff(array, compression=compression, predictor=predictor)
    still = stills.read(data)
    written = stills.encode(_corrected(still))
    assert _compression(written) == _compression(data)
    assert _compression(written)[0] == code
    again = stills.read(written)
    assert again.bit_depth == still.bit_depth == 8 * np.dtype(dtype).itemsize
    assert np.array_equal(again.pixels[1:], array[1:].astype(still.pixels.dtype))
    assert len(written) < 1.1 * len(data) + 1000


def test_lossy_compression_stays_lossy() -> None:
    data = made.saved(made.pixels(40, 48, 3), "TIFF", compression="jpeg", quality=90)
    written = stills.encode(_corrected(stills.read(data)))
    assert _compression(written)[0] == 7


@pytest.mark.parametrize(
    "options",
    [
        {"planarconfig": "separate"}, {"tile": (16, 32)}, {"byteorder": ">"}, {"bigtiff": True},
        {"rowsperstrip": 7, "compression": "deflate"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_other_layouts_are_read(options: dict, dtype: type) -> None:
    array = made.pixels(40, 48, 3, dtype=dtype)
    stored = array.transpose(2, 0, 1) if options.get("planarconfig") == "separate" else array
    still = stills.read(made.tiff(np.ascontiguousarray(stored), **options))
    assert np.array_equal(still.pixels, array)
    again = stills.read(stills.encode(_corrected(still)))
    assert np.array_equal(again.pixels[1:], array[1:])


def test_tiles_stay() -> None:
    data = made.tiff(made.pixels(40, 48, 3, dtype=np.uint16), tile=(16, 32))
    with tifffile.TiffFile(io.BytesIO(stills.encode(_corrected(stills.read(data))))) as file:
        assert (file.pages[0].tilelength, file.pages[0].tilewidth) == (16, 32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_zero(dtype: type) -> None:
    array = made.pixels(20, 30, dtype=dtype)
    still = stills.read(made.tiff(np.iinfo(dtype).max - array, photometric="miniswhite"))
    assert np.array_equal(still.pixels, array)


def test_twelve_bits_fill_sixteen() -> None:
    pytest.importorskip("imagecodecs")
    codes = np.array([[0, 4095, 2048, 1]] * 3, np.uint16)
    packed = b"".join(
        int(a << 12 | b).to_bytes(3) for a, b in codes.astype(int).reshape(-1, 2).tolist()
    )
    values = {256: 4, 257: 3, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 3, 279: len(packed)}
    tags = {tag: exif.Entry(4, 1, struct.pack("<I", value)) for tag, value in values.items()}
    start = 8 + len(packed)
    data = b"II*\0" + struct.pack("<I", start) + packed + exif.laid_out(tags, "<", start)
    still = stills.read(data)
    assert still.pixels[0].tolist() == [0, 65535, 32776, 16]
    assert still.bit_depth == 16


def test_colours_multiplied_by_opacity_stay_so() -> None:
    array = made.pixels(20, 30, 4, dtype=np.float32)
    array[..., :3] *= array[..., 3:]
    data = made.tiff(array, extrasamples=["assocalpha"])
    still = stills.read(data)
    assert still.premultiplied
    assert np.array_equal(still.pixels, array[..., :3])
    again = stills.read(stills.encode(_corrected(still)))
    assert again.premultiplied
    assert np.array_equal(again.pixels[1:], array[1:, :, :3])
    straight = stills.read(stills.encode(still, "png"))
    expected = array[..., :3] / array[..., 3:]
    shown = expected.clip(0, 1)
    light = np.where(straight.pixels / 65535 <= 0.04045, straight.pixels / 65535 / 12.92,
                     ((straight.pixels / 65535 + 0.055) / 1.055) ** 2.4)  # fmt: skip
    assert np.abs(light - shown).max() < 1e-3


def test_several_pages_are_refused_but_small_copies_are_not() -> None:
    def pages(*kinds: int) -> bytes:
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as file:
            for kind in kinds:
                file.write(made.pixels(20, 30, 3), photometric="rgb", subfiletype=kind)
        return buffer.getvalue()

    still = stills.read(pages(0, 1))
    assert still.size == (30, 20)
    assert stills.lost(still, "tiff") == ("preview image",)
    with pytest.raises(UnshineError, match="several pages"):
        stills.read(pages(0, 1, 0))


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (made.pixels(8, 8, 3, dtype=np.uint16), {"photometric": "cielab"}, "Lab"),
        (made.pixels(8, 8, 5, dtype=np.uint16), {"photometric": "minisblack"}, "channels"),
        (np.zeros((8, 8), np.int32), {}, "int32"),
        (np.zeros((8, 8), np.complex64), {}, "complex64"),
        (made.pixels(8, 8, 4, dtype=np.uint16), {"photometric": "separated"}, "RGB or grey"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(
    array: np.ndarray, options: dict, words: str
) -> None:
    with pytest.raises(UnshineError, match=words):
        stills.read(made.tiff(array, **options | {"planarconfig": "contig"}))


def test_floats_are_light_unless_a_profile_says_otherwise() -> None:
    array = made.pixels(8, 8, 3, dtype=np.float32)
    assert stills.read(made.tiff(array)).transfer == "linear"
    tags = [(34675, "B", len(made.SRGB), made.SRGB, True)]
    assert stills.read(made.tiff(array, extratags=tags)).transfer == "display"


def test_infinite_and_missing_values_stay() -> None:
    array = made.pixels(8, 8, 3, dtype=np.float32)
    array[0, 0], array[0, 1], array[0, 2] = np.nan, np.inf, -3
    still = stills.read(made.tiff(array))
    assert np.isfinite(stills.for_display(still)).all()
    assert not still.changed()
    clean = stills.for_display(still)
    clean[4:, 4:] *= 0.9
    result = stills.with_display(still, clean)
    assert np.array_equal(result.pixels[:4], array[:4], equal_nan=True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_are_turned_upright(orientation: int) -> None:
    array = made.pixels(20, 30, 3, dtype=np.uint16)
    eight = (array >> 8).astype(np.uint8)
    tags = [(274, "H", 1, orientation, True)]
    deep = stills.read(made.tiff(array, extratags=tags))
    shallow = stills.read(made.tiff(eight, extratags=tags))
    assert np.array_equal(deep.pixels >> 8, shallow.pixels)
    with Image.open(io.BytesIO(stills.encode(_corrected(shallow)))) as image:
        assert image.size == shallow.size


def test_eight_bits_need_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    still = stills.read(made.saved(made.pixels(8, 8, 3), "TIFF"))
    assert stills.encode(_corrected(still))
    with pytest.raises(UnshineError, match=r'pip install "unshine\[formats\]"'):
        stills.encode(still, bit_depth=16)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_resolution_and_description_stay(dtype: type) -> None:
    file = io.BytesIO()
    array = made.pixels(20, 30, 3, dtype=dtype)
    # tifffile adds a description of its own after the one it is given.
    tifffile.imwrite(file, array, photometric="rgb", description="a cup", resolution=(300, 240))
    written = stills.encode(_corrected(stills.read(file.getvalue())))
    page = tifffile.TiffFile(io.BytesIO(written)).pages[0]
    assert page.description == "a cup"
    assert page.tags[282].value == (300, 1)
    assert page.tags[283].value == (240, 1)
    assert page.tags[296].value == 2
