"""The four images of Shen & Zheng 2013: ``animals``, ``cups``, ``fruit``, ``masks``.

8-bit and dark; the published figures take the values as stored for linear light.
"""

from dataclasses import replace
from pathlib import Path

from unshine.data import pairs
from unshine.data.item import Entry, Example

NAMES = ("animals", "cups", "fruit", "masks")


def find(folder: Path) -> list[Entry]:
    """Find the images, in a folder that holds no others."""
    entries = pairs.find(folder)
    return entries if {entry.name for entry in entries} <= set(NAMES) else []


def read(entry: Entry) -> Example:
    """Read one pair, as linear light."""
    return replace(pairs.read(entry), linear=True)
