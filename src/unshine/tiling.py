"""A large photograph piece by piece, each at its own resolution, for sparkle that is a pixel wide.

Usually the network sees a large photograph reduced. Here it sees overlapping tiles as they are,
which costs time in proportion to the pixels, and knows of each tile only what is in it: a broad
sheen that fills a tile is no highlight to it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine import exposure, pixels
from unshine.pixels import Floats
from unshine.remover import Analysis, Remover

OVERLAP = 128
"""Pixels that neighbouring tiles share at least, and over which one turns into the other."""


class TiledAnalysis:
    """What the network says about an image tile by tile; asked like `unshine.remover.Analysis`.

    Every question runs the network again, on one tile after the other: to keep its answers for all
    tiles would take twenty times the image's memory.

    Parameters
    ----------
    remover : Remover
        Its working size is the tiles'.
    image : ndarray
        As for `Remover.analyse`.

    Examples
    --------
    >>> analysis = TiledAnalysis(Remover(working_size=256), np.full((300, 400, 3), 90, np.uint8))
    >>> int(analysis.clean().max())
    90
    """

    def __init__(self, remover: Remover, image: NDArray[Any]) -> None:
        self.remover, self.image = remover, image
        self._rgb = pixels.rgb(image)
        # Of the whole: a dark corner of a usual photograph is no dark image.
        seen = pixels.reduce(self._rgb, remover.working_size)
        self._power = exposure.exponent(seen.transpose(2, 0, 1)[None])

    def clean(
        self, strength: float = 1.0, sensitivity: float = 0.5, mask: Any = None
    ) -> NDArray[Any]:
        """Return the image without its highlights; parameters and result as `Analysis.clean`'s."""
        result = np.array(self.image)
        target = pixels.colours(result)

        def change(analysis: Analysis, rows: slice, columns: slice) -> Floats:
            where = None if mask is None else np.asarray(mask)[rows, columns]
            return analysis.clean(strength, sensitivity, where) - analysis.image

        for rows, correction in self._blended(change, 3):
            before = pixels.to_display(self._rgb[rows])
            changed = correction.any(-1)
            after = (before[changed] + correction[changed]).clip(0, 1)
            if target.ndim == 2:
                after = after.mean(-1)
            target[rows][changed] = pixels.from_display(after, target.dtype)
        return result

    def layer(self, name: str) -> Floats:
        """Return one layer at the image's resolution; as `Analysis.layer`."""
        if name == "highlight":
            return self.highlight()

        def layer(analysis: Analysis, rows: slice, columns: slice) -> Floats:
            return analysis.layer(name)

        return self._whole(layer, 3)

    def highlight(self, sensitivity: float = 0.5, mask: Any = None) -> Floats:
        """Return where `clean` takes highlights, H×W; as `Analysis.highlight`."""

        def highlight(analysis: Analysis, rows: slice, columns: slice) -> Floats:
            where = None if mask is None else np.asarray(mask)[rows, columns]
            return analysis.highlight(sensitivity, where)[..., None]

        return self._whole(highlight, 1)[..., 0]

    def _whole(self, ask: Callable[[Analysis, slice, slice], Floats], channels: int) -> Floats:
        """Ask every tile, and return the answers' blend."""
        full = np.empty((*self.image.shape[:2], channels), np.float32)
        for rows, values in self._blended(ask, channels):
            full[rows] = values
        return full

    def _blended(
        self, ask: Callable[[Analysis, slice, slice], Floats], channels: int
    ) -> Iterator[tuple[slice, Floats]]:
        """Ask every tile, and yield the answers' blend, in runs of rows from top to bottom."""
        height, width = self.image.shape[:2]
        rows = _tiles(height, self.remover.working_size)
        columns = _tiles(width, self.remover.working_size)
        total = np.zeros((rows[0].stop, width, channels), np.float32)
        weights = np.zeros((rows[0].stop, width, 1), np.float32)
        for index, row in enumerate(rows):
            down = _ramps(row, height)[:, None, None]
            for column in columns:
                analysis = self.remover.analyse(
                    pixels.to_display(self._rgb[row, column]), self._power
                )
                weight = down * _ramps(column, width)[:, None]
                total[:, column] += weight * ask(analysis, row, column)
                weights[:, column] += weight
            last = index + 1 == len(rows)
            finished = row.stop - row.start if last else rows[index + 1].start - row.start
            yield (
                slice(row.start, row.start + finished),
                total[:finished] / weights[:finished],
            )
            for band in (total, weights):
                band[: len(band) - finished] = band[finished:]
                band[len(band) - finished :] = 0


def _tiles(length: int, tile: int) -> list[slice]:
    """Cut a length into tiles of one size that overlap evenly."""
    if length <= tile:
        return [slice(0, length)]
    overlap = min(OVERLAP, tile // 2)
    count = -(-(length - overlap) // (tile - overlap))
    starts = np.rint(np.linspace(0, length - tile, count)).astype(int)
    return [slice(int(start), int(start) + tile) for start in starts]


def _ramps(tile: slice, length: int) -> Floats:
    """Return how much each of a tile's pixels counts: less towards edges within the image."""
    position = np.arange(tile.stop - tile.start, dtype=np.float32)
    weight = np.ones_like(position)
    if tile.start > 0:
        weight = np.minimum(weight, (position + 1) / (OVERLAP + 1))
    if tile.stop < length:
        weight = np.minimum(weight, (len(position) - position) / (OVERLAP + 1))
    return weight
