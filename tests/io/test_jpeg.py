"""JPEG files come back as they were coded, with all that stands around the image."""

import io
import struct
from dataclasses import replace

import made
import numpy as np
import pytest
from PIL import ExifTags, Image

from unshine.errors import UnshineError
from unshine.io import exif, jpeg, stills, xmp
from unshine.io.stills import Still


def _corrected(still: Still) -> Still:
    """Darken a corner, as if a highlight had been there."""
    pixels = still.pixels.copy()
    pixels[:8, :8] = pixels[:8, :8] // 3
    return replace(still, pixels=pixels)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [40, 75, 97])
def test_coding_stays(progressive: bool, sampling: int, quality: int) -> None:
    options = {"quality": quality, "subsampling": sampling, "progressive": progressive}
    data = made.saved(made.pixels(64, 80, 3), "JPEG", **options)
    written = stills.encode(_corrected(stills.read(data)))
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(written))
    assert after.quantization == before.quantization
    assert after.layer == before.layer
    assert bool(after.info.get("progressive")) == progressive
    # Away from what was changed, the same blocks with the same tables are nearly the same.
    far = np.asarray(after)[32:, 32:].astype(int) - np.asarray(before)[32:, 32:]
    assert np.abs(far).mean() < 0.6
    assert len(written) < 1.1 * len(data) + 200


def test_a_quality_that_is_asked_for_counts() -> None:
    data = made.saved(made.pixels(64, 80, 3), "JPEG", quality=50)
    still = stills.read(data)
    sizes = [len(stills.encode(still, quality=quality)) for quality in (20, 60, 95)]
    assert sizes == sorted(sizes)
    reference = Image.open(io.BytesIO(made.saved(made.pixels(8, 8, 3), "JPEG", quality=60)))
    written = Image.open(io.BytesIO(stills.encode(still, quality=60)))
    assert written.quantization == reference.quantization


def test_quarter_turns_turn_the_tables_too() -> None:
    table = [(1 + 3 * row + column) for row in range(8) for column in range(8)]
    upright = made.pixels(64, 80, 3)
    stored = np.rot90(upright)
    block = b"Exif\0\0" + made.exif(64, 80, 6)
    options = {"qtables": [table, table], "quality": -1, "exif": block}
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(buffer, "JPEG", subsampling=1, **options)
    still = stills.read(buffer.getvalue())
    assert still.pixels.shape == upright.shape
    written = Image.open(io.BytesIO(stills.encode(_corrected(still))))
    turned = np.reshape(Image.open(buffer).quantization[0], (8, 8)).T.ravel().tolist()
    assert written.quantization[0] == turned
    # Colours halved across would have to be halved down, which Pillow cannot: they are whole.
    assert [layer[1:3] for layer in written.layer] == [(1, 1)] * 3


def test_everything_around_the_image_stays() -> None:
    small = made.saved(made.pixels(8, 12, 3), "JPEG", quality=60)
    block = made.exif(80, 64, 1, small)
    extended = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"rest"
    flir = (0xE1, b"FLIR\0\1\0\1thermal")
    segments = [
        (0xE1, b"Exif\0\0" + block), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + made.XMP),
        (0xE1, extended), flir, (0xE2, b"ICC_PROFILE\0\1\1" + made.SRGB),
        (0xED, b"Photoshop 3.0\0" + made.RESOURCES), (0xFE, b"a JPEG comment"),
    ]  # fmt: skip
    still = stills.read(made.jpeg(made.pixels(64, 80, 3), *segments))
    written = stills.encode(_corrected(still))
    found = jpeg.split(written)[0]
    for marker, content in segments[1:]:
        if b"xap/1.0" not in content:
            assert (marker, content) in found
    again = stills.read(written).metadata
    assert again.xmp == xmp.made_true(made.XMP, 80, 64)
    assert stills.lost(still, "jpeg") == ()
    # Makers' notes hold distances in the block: it may not move by a byte.
    assert again.exif is not None
    note = bytes(range(200))
    assert again.exif.index(note) == block.index(note)


@pytest.mark.parametrize("orientation", [1, 6, 3, 8])
def test_exif_is_true_after_a_turn(orientation: int) -> None:
    small = made.saved(made.pixels(10, 16, 3), "JPEG", quality=80)
    block = made.exif(80, 64, orientation, small)
    still = stills.read(made.jpeg(made.pixels(64, 80, 3), (0xE1, b"Exif\0\0" + block)))
    size = (80, 64) if orientation < 5 else (64, 80)
    assert still.size == size
    image = Image.open(io.BytesIO(stills.encode(_corrected(still))))
    assert image.size == size
    written = image.getexif()
    inner = written.get_ifd(ExifTags.IFD.Exif)
    assert written[ExifTags.Base.Orientation] == 1
    assert (inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight]) == size
    assert written.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (48.0, 8.0, 12.5)
    # The thumbnail shows the image as it is now.
    thumbnail = exif.thumbnail(image.info["exif"][6:])
    assert thumbnail is not None
    shown = np.asarray(Image.open(io.BytesIO(thumbnail)).convert("L"))
    assert (shown.shape[1] > shown.shape[0]) == (size[0] > size[1])


def test_a_thumbnail_that_does_not_fit_is_left_out() -> None:
    grain = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    flat = made.saved(np.zeros((60, 80, 3), np.uint8), "JPEG", quality=10, optimize=True)
    block = made.exif(80, 64, 1, flat) + b"something else"
    still = stills.read(made.jpeg(grain, (0xE1, b"Exif\0\0" + block)))
    again = stills.read(stills.encode(_corrected(still))).metadata.exif
    assert again is not None
    assert exif.thumbnail(again) is None
    assert exif.orientation(again) == 1


def _listed(data: bytes) -> list[tuple[int, int]]:
    """Where the Multi-Picture index says that images are: offsets and lengths."""
    start = data.index(b"MPF\0") + 4
    head = exif.header(data[start:])
    entries, _ = exif.directory(data[start:], head, head.first)
    records = struct.iter_unpack(head.order + "IIIHH", entries[0xB002].value)
    return [(offset + start if offset else 0, size) for _, size, offset, _, _ in records]


@pytest.mark.parametrize("orientation", [1, 6])
def test_gain_maps_and_videos_stay_where_they_are_said_to_be(orientation: int) -> None:
    data = made.ultra_hdr(made.pixels(64, 80, 3), orientation)
    still = stills.read(data)
    assert [part.kind for part in still.metadata.parts] == ["gain map", "video"]
    written = stills.encode(_corrected(still))
    assert written.endswith(made.VIDEO)
    (first, length), (second, size) = _listed(written)
    assert first == 0
    assert jpeg.split(written)[1] == length == second
    gain = written[second : second + size]
    assert second + size + len(made.VIDEO) == len(written)
    assert made.item_lengths(stills.read(written).metadata.xmp)[1:] == [
        ("GainMap", size), ("MotionPhoto", len(made.VIDEO))
    ]  # fmt: skip
    before = np.asarray(Image.open(io.BytesIO(still.metadata.parts[0].data)))
    after = np.asarray(Image.open(io.BytesIO(gain)))
    if orientation == 6:
        before = np.rot90(before, -1)
    assert after.shape == before.shape
    # Where the highlight went, so does its gain; elsewhere the map is what it was.
    assert after[:3, :3].max() < 30
    assert np.abs(after[8:, 8:].astype(int) - before[8:, 8:]).max() <= 4


def test_gain_maps_are_the_same_bytes_where_nothing_is_dimmed() -> None:
    still = stills.read(made.ultra_hdr(made.pixels(64, 80, 3)))
    pixels = still.pixels.copy()
    pixels[:8, :8] += 1
    again = stills.read(stills.encode(replace(still, pixels=pixels)))
    assert again.metadata.parts == still.metadata.parts


@pytest.mark.parametrize("target", ["png", "webp", "tiff", "avif"])
def test_what_does_not_follow_into_another_kind_of_file_is_not_promised(target: str) -> None:
    still = stills.read(made.ultra_hdr(made.pixels(64, 80, 3)))
    assert {"gain map", "motion photo's video"} <= set(stills.lost(still, target))
    packet = stills.read(stills.encode(still, target)).metadata.xmp
    assert packet is not None
    for promise in (b"hdrgm", b"MotionPhoto", b"MicroVideo", b"Directory"):
        assert promise not in packet.replace(b'xmlns:hdrgm="', b"")
    assert xmp.without_promises(packet) == packet


def test_further_images_stay() -> None:
    data = made.mpo(made.pixels(64, 80, 3))
    still = stills.read(data)
    other = still.metadata.parts[0].data
    written = stills.encode(_corrected(still))
    assert written.endswith(other)
    with Image.open(io.BytesIO(written)) as image:
        assert image.n_frames == 2
        image.seek(1)
        assert image.size == (80, 64)
    assert stills.lost(still, "png") == ("further image",)


def test_preview_images_show_the_result() -> None:
    array = made.pixels(64, 80, 3)
    small = made.saved(np.asarray(Image.fromarray(array).resize((20, 16))), "JPEG", quality=90)
    data = bytearray(made.mpo(array))
    still = stills.read(bytes(data))
    # The second image becomes a small one, and is listed as a monitor-size preview.
    index = data.index(b"MPF\0") + 4
    entry = data.index(struct.pack("<I", len(still.metadata.parts[0].data)), index) - 4
    struct.pack_into("<II", data, entry, 0x010001, len(small))
    data = data[: -len(still.metadata.parts[0].data)] + small
    still = stills.read(bytes(data))
    assert still.metadata.parts[0].kind == "preview"
    dark = replace(still, pixels=still.pixels // 4)
    again = stills.read(stills.encode(dark)).metadata.parts[0]
    shown = np.asarray(Image.open(io.BytesIO(again.data)))
    assert shown.shape == (16, 20, 3)
    assert abs(shown.mean() - still.pixels.mean() / 4) < 4


def test_content_credentials_are_named_since_they_no_longer_hold() -> None:
    data = made.jpeg(made.pixels(64, 80, 3), (0xEB, b"JP\0\1\0\0\0\1....jumb..c2pa"))
    still = stills.read(data)
    assert stills.lost(still, "jpeg") == ("content credentials",)
    assert b"c2pa" not in stills.encode(_corrected(still))
    assert stills.encode(still) == data


def test_long_metadata_is_split_or_named() -> None:
    profile = made.SRGB[:128] + bytes(70_000)
    still = stills.read(made.saved(made.pixels(8, 8, 3), "PNG"))
    long = replace(
        still.metadata, icc_profile=profile, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0" + bytes(70_000)
    )
    still = replace(still, metadata=long)
    again = stills.read(stills.encode(still, "jpeg"))
    assert again.metadata.icc_profile == profile
    assert again.metadata.exif is None
    assert stills.lost(still, "jpeg") == ("EXIF (too long for JPEG)",)


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    data = made.jpeg(made.pixels(64, 80, 3))
    for length in range(2, len(data) - 1, 97):
        with pytest.raises(UnshineError, match=r"damaged|not a"):
            stills.read(data[:length])


def test_what_follows_a_damaged_further_image_is_carried_along() -> None:
    data = made.mpo(made.pixels(64, 80, 3))
    still = stills.read(data[:-50])
    assert [part.kind for part in still.metadata.parts] == ["trailer"]
    assert stills.encode(_corrected(still)).endswith(data[-150:-50])


def test_promises_that_the_file_itself_does_not_keep_are_not_passed_on() -> None:
    data = made.ultra_hdr(made.pixels(64, 80, 3))
    still = stills.read(data)
    alone = data[: len(data) - sum(len(part.data) for part in still.metadata.parts)]
    again = stills.read(stills.encode(_corrected(stills.read(alone))))
    packet = again.metadata.xmp or b""
    assert xmp.without_promises(packet) == packet
    assert b"MPF" not in stills.encode(_corrected(stills.read(alone)))


def test_no_resolution_is_made_up() -> None:
    data = made.saved(made.pixels(16, 16, 3), "JPEG", exif=Image.Exif())
    assert data[6:16] == b"JFIF\0\1\1\0\0\1"  # no unit: the shape of a pixel only
    written = stills.encode(_corrected(stills.read(data)))
    assert written[:20] == data[:20]
