"""MIT Intrinsic Images (Grosse et al. 2009): 16-bit linear, ``original = diffuse + specular``."""

from pathlib import Path

import numpy as np

from unshine import optics
from unshine.data import item
from unshine.data.item import Entry, Example
from unshine.errors import UnshineError

PARTS = ("original", "diffuse", "specular", "mask")


def find(folder: Path) -> list[Entry]:
    """Find the objects, one folder each."""
    if folder.is_file():
        return []
    return [
        Entry(inner.name, {part: inner / f"{part}.png" for part in PARTS})
        for inner in sorted(path for path in folder.iterdir() if path.is_dir())
        # Two of them, so that an object that lacks one is noticed and not passed over.
        if sum((inner / f"{part}.png").exists() for part in PARTS) >= 2
    ]


def read(entry: Entry) -> Example:
    """Read one object: exposed so that its matte part fills the range, then display-encoded.

    The exposure brings the 99th percentile of the diffuse light inside the mask to 0.9.
    """
    diffuse = item.read_image(entry.files["diffuse"])
    mask = item.read_mask(entry.files["mask"])
    if entry.gain == 1:
        image = item.read_image(entry.files["original"])
    else:
        image = diffuse + np.float32(entry.gain) * item.read_image(entry.files["specular"])
    if mask.shape != diffuse.shape[:2] or not mask.any():
        raise UnshineError(f"{entry.files['mask']}: is empty or of another size than the image.")
    exposure = np.float32(0.9 / np.percentile(diffuse[mask], 99))
    image, diffuse = (optics.encode(optics.clip(exposure * light)) for light in (image, diffuse))
    return item.make_example(entry.name, image, diffuse, mask)
