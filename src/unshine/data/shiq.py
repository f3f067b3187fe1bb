"""SHIQ: real photographs, 200×200, ``<n>_{A,D,S,T}.png``: image, diffuse, specular, highlights."""

from pathlib import Path

from unshine.data import item
from unshine.data.item import Entry, Example, Split


def find(folder: Path, split: Split = "test", skip_bad: bool = False) -> list[Entry]:
    """Find the images of a folder, or of its ``test`` or ``train`` folder where it has one."""
    if folder.is_file():
        return []
    folder = folder / split if (folder / split).is_dir() else folder
    stems = sorted({path.stem[:-2] for path in folder.glob("*_[AD].png")})
    kinds = {"image": "A", "diffuse": "D", "specular": "S"}
    return [
        Entry(stem, {kind: folder / f"{stem}_{letter}.png" for kind, letter in kinds.items()})
        for stem in stems
    ]


def read(entry: Entry) -> Example:
    """Read one image. The dataset marks highlights, not objects: the object is the frame."""
    layers = item.read_layers(entry, ("image", "diffuse"))
    return item.make_example(entry.name, layers["image"], layers["diffuse"])
