"""Several layers of one image in one file, named, in linear light: OpenEXR, or TIFF with pages.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> import numpy as np
>>> path = Path(tempfile.mkdtemp()) / "layers.tif"
>>> write({"albedo": np.ones((2, 3, 3), np.float32)}, path)
>>> read(path)["albedo"].shape
(2, 3, 3)
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.extras import load
from unshine.files import writing
from unshine.io import icc

Layers = Mapping[str, NDArray[Any]]
ENDINGS = (".exr", ".tif", ".tiff")
"""The endings of file names that `write` knows."""

_PAGE_NAME = 285


def write(
    layers: Layers,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    *,
    profile: bytes | None = None,
) -> None:
    """Write layers into one file.

    In OpenEXR each layer's channels are named after it (``albedo.R``), with half precision, and
    the layer ``clean``, or else the first one, is the image that programs without layers show.
    In TIFF each layer is a page of 32-bit floats with the layer's name as its page name.

    Parameters
    ----------
    layers : mapping of str to ndarray
        H×W×3, or H×W, all of one size, in linear light; names without dots.
    path : path
        ``.exr``, ``.tif`` or ``.tiff``.
    overwrite : bool
        Whether an existing file may be replaced.
    profile : bytes, optional
        The image's colour profile: its primaries are written, since they hold for the layers too.

    Raises
    ------
    UnshineError
        If the ending is another, the extra is missing, or the file cannot be written.
    ValueError
        If there is no layer, or they are of several sizes.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UnshineError(f"{path}: the name of a layered file ends in .exr, .tif or .tiff.")
    sizes = {layer.shape[:2] for layer in layers.values()}
    if len(sizes) != 1:
        raise ValueError(f"Layers of one size are wanted, not of {len(sizes)}.")
    write_file = _write_exr if path.suffix.lower() == ".exr" else _write_tiff
    points = icc.primaries(profile) if profile else None
    with writing(path, overwrite) as temporary:
        write_file(layers, temporary, points)


def read(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read the layers that `write` has written.

    Raises
    ------
    UnshineError
        If the file is none of them.
    """
    path = Path(path)
    try:
        return _read_exr(path) if path.suffix.lower() == ".exr" else _read_tiff(path)
    except UnshineError:
        raise
    except Exception as error:  # two libraries' exceptions
        reason = " ".join(str(error).split())
        raise UnshineError(f"{path}: the layers cannot be read ({reason}).") from error


def _write_exr(layers: Layers, path: Path, points: icc.Primaries | None) -> None:
    library = load("OpenEXR", "formats")
    limit = float(np.finfo(np.float16).max)
    channels = {}
    shown = "clean" if "clean" in layers else next(iter(layers))
    for name, layer in layers.items():
        values = np.asarray(layer, np.float32).clip(-limit, limit).astype(np.float16)
        letters = "Y" if values.ndim == 2 else "RGB"
        for index, letter in enumerate(letters):
            plane = np.ascontiguousarray(values if values.ndim == 2 else values[..., index])
            channels[f"{name}.{letter}"] = library.Channel(plane)
            if name == shown:
                channels[letter] = library.Channel(plane)
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    if points is not None:
        header["chromaticities"] = tuple(float(value) for point in points for value in point)
    library.File(header, channels).write(str(path))


def _write_tiff(layers: Layers, path: Path, points: icc.Primaries | None) -> None:
    library = load("tifffile", "formats")
    load("imagecodecs", "formats")  # to which tifffile leaves the predictor of floats
    profile = icc.of_primaries(points or icc.SRGB, 1.0)
    with library.TiffWriter(path, bigtiff=_large(layers), byteorder="<") as file:
        for name, layer in layers.items():
            grey = layer.ndim == 2
            tags: list[tuple[int, str, int, str | bytes, bool]] = [(_PAGE_NAME, "s", 0, name, True)]
            if not grey:
                tags.append((34675, "B", len(profile), profile, True))
            file.write(
                np.ascontiguousarray(layer, np.float32),
                photometric="minisblack" if grey else "rgb",
                compression="deflate",
                predictor=3,
                metadata=None,
                extratags=tags,
                software=False,
            )


def _large(layers: Layers) -> bool:
    return sum(layer.size for layer in layers.values()) * 4 > 2**31


def _read_exr(path: Path) -> dict[str, NDArray[np.float32]]:
    library = load("OpenEXR", "formats")
    with path.open("rb") as file:
        channels = library.File(file, separate_channels=True).channels()
    planes = {name: np.asarray(channel.pixels, np.float32) for name, channel in channels.items()}
    layers: dict[str, NDArray[np.float32]] = {}
    for name in dict.fromkeys(name.rpartition(".")[0] for name in planes if "." in name):
        if f"{name}.Y" in planes:
            layers[name] = planes[f"{name}.Y"]
        else:
            layers[name] = np.stack([planes[f"{name}.{letter}"] for letter in "RGB"], -1)
    return layers


def _read_tiff(path: Path) -> dict[str, NDArray[np.float32]]:
    library = load("tifffile", "formats")
    load("imagecodecs", "formats")  # to which tifffile leaves the predictor of floats
    with library.TiffFile(path) as file:
        return {page.tags[_PAGE_NAME].value: page.asarray() for page in file.pages}
