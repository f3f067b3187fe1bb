"""PSD: real photographs whose truth was taken through crossed polarisers.

``PSD_Test_specular/`` holds the images and ``PSD_Test_diffuse/`` the truths, under the same names;
``PSD_Train_specular/`` and ``PSD_Train_diffuse/`` those for training.
Several images of a group (``<group>-idx-<n>``) may share one truth.
"""

from pathlib import Path

from unshine.data import item
from unshine.data.item import Entry, Example, Split


def find(folder: Path, split: Split = "test", skip_bad: bool = False) -> list[Entry]:
    """Find the pairs of a folder: of the sets of that split, where their names say one."""
    if folder.is_file():
        return []
    sets = sorted(p for p in (*folder.glob("*_specular"), *folder.glob("*/*_specular")))
    named = [p for p in sets if split in p.name.lower()]
    # Training images may be scored where there are no others; test images are not trained on.
    sets = named or [p for p in sets if split == "test" or "test" not in p.name.lower()]
    entries = []
    for images in sets:
        truths_folder = images.with_name(images.name.removesuffix("_specular") + "_diffuse")
        if not truths_folder.is_dir():
            continue
        truths = item.images_in(truths_folder)
        groups = {_group(stem): path for stem, path in truths.items()}
        for stem, image in item.images_in(images).items():
            truth = truths.get(stem) or groups.get(_group(stem))
            files = {"image": image, "diffuse": truth or truths_folder / image.name}
            entries.append(Entry(stem if len(sets) == 1 else f"{images.name}/{stem}", files))
    return entries


def read(entry: Entry) -> Example:
    """Read one pair."""
    layers = item.read_layers(entry, ("image", "diffuse"))
    return item.make_example(entry.name, layers["image"], layers["diffuse"])


def _group(stem: str) -> str:
    return stem.split("-idx-")[0]
