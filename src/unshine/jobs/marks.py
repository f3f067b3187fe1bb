"""Painted masks: where highlights are, and where nothing may change."""

from pathlib import Path

from PIL import Image

from unshine import pixels
from unshine.errors import UnshineError
from unshine.io import stills
from unshine.pixels import Floats


class Marks:
    """A mask and what to protect, for images of any size that they fit.

    Parameters
    ----------
    mask : path, optional
        An image: white where highlights are, black where there are none, grey where the network
        decides.
    protect : path, optional
        An image: white where nothing may change. It has the last word.

    Raises
    ------
    UnshineError
        If one of them cannot be read.
    """

    def __init__(self, mask: Path | None = None, protect: Path | None = None) -> None:
        self._mask = None if mask is None else _Mark(mask)
        self._protect = None if protect is None else _Mark(protect)

    def of_size(self, size: tuple[int, int]) -> Floats | None:
        """Return the mask that the network is given, H×W in [0, 1]; None if there are no marks.

        Parameters
        ----------
        size : tuple of int
            The image's width and height.

        Raises
        ------
        UnshineError
            If a mark was not painted on an image of this shape.
        """
        mask = None if self._mask is None else self._mask.of_size(size)
        if self._protect is None:
            return mask
        free = 1 - self._protect.of_size(size)
        return free * (0.5 if mask is None else mask)


class _Mark:
    """One painted image."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shown = stills.for_display(stills.read(path))
        grey = shown if shown.ndim == 2 else shown.mean(-1)
        top = 1.0 if shown.dtype.kind == "f" else float(2 ** (8 * shown.dtype.itemsize) - 1)
        values = (grey / top).astype("float32")
        # Whole numbers have two middles; both mean the middle.
        values[abs(values - 0.5) * top <= 0.51] = 0.5
        self.values = values

    def of_size(self, size: tuple[int, int]) -> Floats:
        """Return the mark in an image's size; it may have been painted on a smaller copy."""
        width, height = size
        own_height, own_width = self.values.shape
        if (own_width, own_height) == size:
            return self.values
        # A copy is rounded to whole pixels on either side.
        if abs(own_width * height - own_height * width) > max(width, height):
            raise UnshineError(
                f"{self.path} has {own_width} × {own_height} pixels, the image {width} × {height};"
                " a mask has the image's size, or that of a smaller copy of it."
            )
        resized = pixels.resize(self.values[..., None], (height, width), Image.Resampling.BILINEAR)
        return resized[..., 0].clip(0, 1)
