"""SSHR's layout on disk: the files of a tuple, the lists that name tuples, contact sheets."""

from pathlib import Path
from typing import Any

from PIL import Image

from unshine.files import write_text
from unshine.layers import SUFFIX

ALL = tuple(SUFFIX.values())
"""Suffixes of a tuple's files, in the order of SSHR's lists of seven."""

FOUR = ("i", "r", "d", "d_tc")
"""The same for the lists of datasets without albedo and shading."""

SHEET_TUPLES = 64
"""How many tuples a contact sheet shows at most."""


def file_name(stem: str, layer: str, format: str) -> str:
    """Name a layer's file by its suffix; masks are never stored with a loss.

    Examples
    --------
    >>> file_name("000001", "s", "jpg"), file_name("000001", "m", "jpg")
    ('000001_s.jpg', '000001_m.png')
    """
    return f"{stem}_{layer}.{'png' if layer == 'm' else format}"


def write_lists(
    folder: Path, split: str, stems: list[str], format: str, layers: tuple[str, ...]
) -> None:
    """Write the list files of a split: SSHR's two, or one of the few layers there are.

    Parameters
    ----------
    folder : Path
        The dataset.
    split : str
        What the lists are named after.
    stems : list of str
        The tuples' paths below `folder`, without ``_i.png``.
    format : str
        What the layers are stored as.
    layers : tuple of str
        Suffixes of the layers that there are.
    """
    lists = {f"{split}_7_tuples.lst": ALL, f"{split}_4_tuples.lst": FOUR}
    lists = {name: wanted for name, wanted in lists.items() if set(wanted) <= set(layers)}
    for name, wanted in (lists or {f"{split}_tuples.lst": layers}).items():
        rows = (" ".join(file_name(stem, layer, format) for layer in wanted) for stem in stems)
        write_text(folder / name, "".join(f"{row}\n" for row in rows))


def contact_sheet(images: list[Image.Image], columns: int) -> Image.Image:
    """Put images of one size side by side."""
    width, height = images[0].size
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * width, index // columns * height))
    return sheet


def fit_eight_bits(albedo: Any, shading: Any) -> tuple[Any, Any, float]:
    """Move what 8 bits cannot hold, shading above 1, into the albedo, as far as that goes.

    Parameters
    ----------
    albedo, shading : arrays of one shape
        Linear light.

    Returns
    -------
    albedo, shading : arrays
        With the same product.
    scale : float
        What the albedo was multiplied by.
    """
    brightest = max(float(shading.max()), 1.0)
    room = 1 / max(float(albedo.max()), 0.05)
    scale = min(brightest, room)
    return albedo * scale, shading / scale, scale
