"""The items of datasets, entries and examples, and how their images are read."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from unshine import pixels
from unshine.errors import UnshineError
from unshine.io import stills
from unshine.metrics import Mask
from unshine.pixels import Floats

Split = Literal["train", "test"]
"""Which part of a dataset, where it has parts."""

ENDINGS = tuple(e for e, kind in stills.READABLE.items() if kind not in ("exr", "raw"))
"""Of files that hold display values; datasets keep linear masters beside them."""


@dataclass(frozen=True)
class Entry:
    """One example on disk, not yet read; small, so that it travels between processes."""

    name: str
    """Unique in its dataset; parts are separated by slashes."""
    files: dict[str, Path] = field(hash=False)
    """What is in which file; these need not exist."""
    gain: float = 1.0
    """Factor on the specular light, for datasets that store it separately and linear."""
    source: str = ""
    """The list file and line that name it, where there is one."""


@dataclass(frozen=True)
class Example:
    """An image and its truth, all (H, W, 3) float32 in [0, 1] and of one size."""

    name: str
    image: Floats
    diffuse: Floats
    """The image without its highlights."""
    mask: Mask = field(repr=False)
    """The object, (H, W); all of the frame where the dataset has no mask."""
    tone_corrected: Floats | None = None
    """`diffuse` in the tone of the image, where the dataset has it."""
    linear: bool = False
    """Whether the values are linear light instead of display values."""
    stored_size: tuple[int, int] = (0, 0)
    """Height and width on disk."""


def read_image(path: Path) -> Floats:
    """Read an image as (H, W, 3) float32 in [0, 1], as stored; 16 bits a channel count fully.

    Raises
    ------
    UnshineError
        If there is no readable image.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "grey.png"
    >>> Image.new("L", (4, 3), 51).save(path)
    >>> image = read_image(path)
    >>> image.shape
    (3, 4, 3)
    >>> round(float(image.max()), 3)
    0.2
    """
    return _in_colour(_stored(path))


def read_mask(path: Path) -> Mask:
    """Read a mask as (H, W), true where its file is brighter than half."""
    return read_image(path).mean(axis=2) > 0.5


def read_layers(entry: Entry, kinds: Iterable[str]) -> dict[str, Floats]:
    """Read some images of an entry, as stored: (H, W, 3) each, the mask (H, W, 1) of 0 and 1.

    Raises
    ------
    UnshineError
        If one of them is missing, damaged, of another size than the others, or grey among coloured
        ones; it names the file, and the line of the list that names it.
    """
    where = f"{entry.source}: " if entry.source else ""
    found: dict[str, Floats] = {}
    grey: dict[str, bool] = {}
    for kind in kinds:
        try:
            values = _stored(entry.files[kind])
        except UnshineError as error:
            raise UnshineError(f"{where}{error}") from error
        if kind == "mask":
            found[kind] = (_in_colour(values).mean(axis=2, keepdims=True) > 0.5).astype(np.float32)
        else:
            found[kind] = _in_colour(values)
            grey[kind] = values.ndim == 2
    first = next(iter(found))
    height, width = found[first].shape[:2]
    for kind, values in found.items():
        if values.shape[:2] != (height, width):
            raise UnshineError(
                f"{where}{entry.files[kind]}: is {values.shape[1]}×{values.shape[0]} and"
                f" {entry.files[first].name} {width}×{height}; all images of a tuple must have"
                " one size."
            )
        if grey.get(kind) and not all(grey.values()):
            raise UnshineError(
                f"{where}{entry.files[kind]}: is grey and the others of its tuple have colour."
            )
    return found


def reject(message: str, skip: bool) -> None:
    """Raise, or warn where bad tuples are skipped."""
    if not skip:
        raise UnshineError(message)
    logging.getLogger("unshine").warning("Skipped: %s", message)


def make_example(
    name: str,
    image: Floats,
    diffuse: Floats,
    mask: Mask | None = None,
    tone_corrected: Floats | None = None,
    linear: bool = False,
) -> Example:
    """Make an `Example`, or say which of its parts has another size than the image."""
    height, width = image.shape[:2]
    for kind, part in (("truth", diffuse), ("mask", mask), ("tone", tone_corrected)):
        if part is not None and part.shape[:2] != (height, width):
            raise UnshineError(
                f"{name}: its {kind} is {part.shape[1]}×{part.shape[0]} and the image"
                f" {width}×{height}; both must have one size."
            )
    if mask is None:
        mask = np.ones((height, width), np.bool_)
    elif not mask.any():
        raise UnshineError(f"{name}: its mask is empty; remove it to score the whole image.")
    return Example(name, image, diffuse, mask, tone_corrected, linear, (height, width))


def images_in(folder: Path) -> dict[str, Path]:
    """All images directly in a folder by their names without ending, sorted.

    Raises
    ------
    UnshineError
        If two images differ in their endings alone.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file():
            if path.stem in found:
                raise UnshineError(f"{path}: {found[path.stem].name} has the same name.")
            found[path.stem] = path
    return found


def resize_image(values: Floats, size: tuple[int, int]) -> Floats:
    """Resize (H, W, C) to a height and width: bicubically, clipped to [0, 1].

    Where it shrinks it averages; where nothing changes it returns `values` itself.
    """
    if values.shape[:2] == size:
        return values
    return pixels.resize(values, size, Image.Resampling.BICUBIC).clip(0, 1)


def _stored(path: Path) -> Floats:
    """Read (H, W, 3) float32 in [0, 1], or (H, W) where the file has a single channel."""
    return pixels.to_display(stills.for_display(stills.read(path)))


def _in_colour(values: Floats) -> Floats:
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
