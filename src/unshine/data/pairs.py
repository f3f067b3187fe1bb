"""Any folder of pairs.

Either ``<name>.png`` with ``<name>_gt.png`` (and perhaps ``<name>_mask.png``) beside it, or folders
``input`` and ``truth`` (and perhaps ``mask``) with files of the same names. Endings may differ.
"""

from pathlib import Path

from unshine.data import item
from unshine.data.item import Entry, Example


def find(folder: Path, truth: Path | None = None) -> list[Entry]:
    """Find the pairs of a folder, or of a folder of images and one of truths.

    An image without a truth, or a truth without an image, is an entry too, so that reading it
    says what is missing.
    """
    if folder.is_file():
        return []
    if truth is not None:
        return _two_folders(folder, truth, folder.parent / "mask")
    if (folder / "input").is_dir() and (folder / "truth").is_dir():
        return _two_folders(folder / "input", folder / "truth", folder / "mask")
    files = item.images_in(folder)
    truths = {stem.removesuffix("_gt") for stem in files if stem.endswith("_gt")}
    if not truths:
        return []
    images = {stem for stem in files if not stem.endswith(("_gt", "_mask"))}
    return [
        _entry(
            name,
            files.get(name, folder / f"{name}.png"),
            files.get(f"{name}_gt", folder / f"{name}_gt.png"),
            files.get(f"{name}_mask"),
        )
        for name in sorted(truths | images)
    ]


def read(entry: Entry) -> Example:
    """Read one pair."""
    has_mask = "mask" in entry.files
    return item.make_example(
        entry.name,
        item.read_image(entry.files["image"]),
        item.read_image(entry.files["diffuse"]),
        item.read_mask(entry.files["mask"]) if has_mask else None,
    )


def _two_folders(images: Path, truths: Path, masks: Path) -> list[Entry]:
    image, truth, mask = (
        item.images_in(folder) if folder.is_dir() else {} for folder in (images, truths, masks)
    )
    return [
        _entry(
            name,
            image.get(name, images / f"{name}.png"),
            truth.get(name, truths / f"{name}.png"),
            mask.get(name),
        )
        for name in sorted(image.keys() | truth.keys())
    ]


def _entry(name: str, image: Path, truth: Path, mask: Path | None) -> Entry:
    files = {"image": image, "diffuse": truth}
    return Entry(name, files if mask is None else files | {"mask": mask})
