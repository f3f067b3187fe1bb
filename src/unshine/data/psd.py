"""PSD: real photographs whose truth was taken through crossed polarisers.

``PSD_Test_specular/`` holds the images and ``PSD_Test_diffuse/`` the truths, under the same names.
Several images of a group (``<group>-idx-<n>``) may share one truth.
"""

from pathlib import Path

from unshine.data import item
from unshine.data.item import Entry, Example


def find(folder: Path) -> list[Entry]:
    """Find the pairs of a folder: those for testing where it holds several sets."""
    if folder.is_file():
        return []
    sets = sorted(p for p in (*folder.glob("*_specular"), *folder.glob("*/*_specular")))
    sets = [p for p in sets if "test" in p.name.lower()] or sets
    entries = []
    for images in sets:
        truths_folder = images.with_name(images.name.removesuffix("_specular") + "_diffuse")
        if not truths_folder.is_dir():
            continue
        truths = item.pictures(truths_folder)
        groups = {_group(stem): path for stem, path in truths.items()}
        for stem, image in item.pictures(images).items():
            truth = truths.get(stem) or groups.get(_group(stem))
            files = {"image": image, "diffuse": truth or truths_folder / image.name}
            entries.append(Entry(stem if len(sets) == 1 else f"{images.name}/{stem}", files))
    return entries


def read(entry: Entry) -> Example:
    """Read one pair."""
    return item.example(
        entry.name, item.picture(entry.files["image"]), item.picture(entry.files["diffuse"])
    )


def _group(stem: str) -> str:
    return stem.split("-idx-")[0]
