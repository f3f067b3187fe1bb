"""The table in docs/formats.md says what the program does."""

from dataclasses import replace
from pathlib import Path

import made
import pytest

from unshine.io import stills
from unshine.io.model import Part
from unshine.io.stills import Metadata, Still

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"
KINDS = ("jpeg", "png", "webp", "bmp", "tiff", "heic", "avif", "exr")

EVERYTHING = Metadata(
    icc_profile=made.SRGB, exif=made.exif(8, 8), xmp=made.XMP, photoshop=made.RESOURCES,
    comment=b"a comment", dpi=(300.0, 300.0), chunks=((b"tEXt", b"Title\0balls"),),
    colour=((b"cLLI", bytes(8)),), named={"owner": "me"},
    parts=(Part("gain map", b""), Part("video", b""), Part("further image", b"")),
)  # fmt: skip


def _table() -> dict[str, list[str]]:
    rows = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 1 + len(KINDS):
            rows[cells[0]] = cells[1:]
    return rows


@pytest.mark.parametrize(
    "word", [name for name in _table() if name not in ("", "---", "transparency")]
)
def test_what_the_table_says_is_kept_is_kept(word: str) -> None:
    metadata = replace(EVERYTHING, exif=None) if word == "resolution" else EVERYTHING
    still = Still(made.pixels(8, 8, 3), metadata=metadata)
    for kind, mark in zip(KINDS, _table()[word], strict=True):
        assert (word in stills.lost(still, kind)) == (mark == "–"), kind


def test_the_table_names_all_that_can_be_lost() -> None:
    named = set(stills.lost(Still(made.pixels(8, 8, 3), metadata=EVERYTHING), "bmp"))
    assert named <= set(_table())
