"""SHIQ: real photographs, 200×200, ``<n>_{A,D,S,T}.png``: image, diffuse, specular, highlights."""

from pathlib import Path

from unshine.data import item
from unshine.data.item import Entry, Example


def find(folder: Path) -> list[Entry]:
    """Find the pictures of a folder, or of its ``test`` folder where it has one."""
    if folder.is_file():
        return []
    folder = folder / "test" if (folder / "test").is_dir() else folder
    stems = sorted({path.stem[:-2] for path in folder.glob("*_[AD].png")})
    return [
        Entry(stem, {"image": folder / f"{stem}_A.png", "diffuse": folder / f"{stem}_D.png"})
        for stem in stems
    ]


def read(entry: Entry) -> Example:
    """Read one picture. The dataset marks highlights, not objects: the object is the frame."""
    return item.example(
        entry.name, item.picture(entry.files["image"]), item.picture(entry.files["diffuse"])
    )
