"""Colour profiles: made, measured by another library, and read again."""

import io
import struct

import made
import numpy as np
import pytest
from PIL import Image, ImageCms

from unshine.io import icc, stills
from unshine.io.stills import Metadata, Still


@pytest.mark.parametrize("number", sorted(icc.PRIMARIES))
def test_primaries_go_in_and_come_out(number: int) -> None:
    points = icc.PRIMARIES[number]
    for gamma in (None, 1.0, 2.2):
        profile = icc.of_primaries(points, gamma)
        assert len(profile) == struct.unpack(">I", profile[:4])[0]
        assert np.allclose(icc.primaries(profile) or (), points, atol=1e-3)
        assert icc.transfer(profile) == ("linear" if gamma == 1.0 else "display")
        assert icc.space(profile) == b"RGB "


def test_another_library_sees_the_same_colours() -> None:
    srgb = ImageCms.createProfile("sRGB")
    ours = ImageCms.ImageCmsProfile(io.BytesIO(icc.of_primaries(icc.SRGB)))
    image = Image.fromarray(made.pixels(20, 30, 3))
    same = ImageCms.profileToProfile(image, ours, srgb)
    assert same is not None
    assert np.abs(np.asarray(same).astype(int) - np.asarray(image)).max() <= 1
    # Display P3's red, in sRGB, is beyond red: (1.09, -0.23, -0.15), cut to pure red.
    wide = ImageCms.ImageCmsProfile(io.BytesIO(icc.of_primaries(icc.PRIMARIES[12])))
    red = ImageCms.profileToProfile(Image.new("RGB", (1, 1), (200, 30, 30)), wide, srgb)
    assert red is not None
    assert red.getpixel((0, 0))[0] > 212


def test_the_profile_of_other_libraries_is_read() -> None:
    assert np.allclose(icc.primaries(made.SRGB) or (), icc.SRGB, atol=2e-3)
    assert icc.transfer(made.SRGB) == "display"
    assert icc.primaries(b"no profile") is None
    assert icc.transfer(bytes(200)) == "display"


def test_colour_tags_become_a_profile_where_there_are_no_tags() -> None:
    p3 = Metadata(cicp=(12, 13, 0, 1))
    profile = p3.profile()
    assert profile is not None
    assert np.allclose(icc.primaries(profile) or (), icc.PRIMARIES[12], atol=1e-3)
    assert Metadata(cicp=(1, 13, 6, 1)).profile() is None
    assert Metadata(cicp=(2, 2, 2, 0)).profile() is None
    assert Metadata(cicp=(9, 16, 0, 1)).profile() is None
    gamma = struct.pack(">I", 55556)
    made_profile = Metadata(colour=((b"gAMA", gamma),)).profile()
    assert made_profile is not None
    assert Metadata(colour=((b"gAMA", gamma), (b"sRGB", b"\0"))).profile() is None
    written = stills.read(stills.encode(Still(made.pixels(8, 8, 3), metadata=p3), "jpeg"))
    assert written.metadata.icc_profile == profile
    grey = stills.read(stills.encode(Still(made.pixels(8, 8), metadata=p3), "jpeg"))
    assert grey.metadata.icc_profile is None


def test_linear_curves_are_recognised_however_they_are_written() -> None:
    for curve in (
        b"curv" + bytes(8), b"curv" + bytes(4) + struct.pack(">IH", 1, 256),
        b"para" + bytes(4) + struct.pack(">HHi", 0, 0, 65536),
        b"curv" + bytes(4) + struct.pack(">I5H", 5, 0, 16384, 32768, 49151, 65535),
    ):  # fmt: skip
        profile = bytes(128) + struct.pack(">I4sII", 1, b"rTRC", 144, len(curve)) + curve
        assert icc.transfer(profile) == "linear"
    tag = b"cicp" + bytes(4) + bytes([9, 16, 0, 1])
    profile = bytes(128) + struct.pack(">I4sII", 1, b"cicp", 144, len(tag)) + tag
    assert icc.transfer(profile) == "pq"
