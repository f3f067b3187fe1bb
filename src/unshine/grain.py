"""Grain for what was filled.

A camera's noise ends where it clips. What the network paints into a clipped area of a photograph
that is larger than its working size is smooth, and shows as a patch among grain. The photograph
has grain enough: that of one of its flattest parts is laid over the fill.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unshine import pixels
from unshine.pixels import Floats

SIDE = 64
"""Pixels of the side of the part whose grain is taken."""
SHIFT = 23
"""Pixels by which a row of tiles is shifted from the row above."""
PARTS = 12
"""Parts that are looked at, down and across."""
FLAT = 0.1
"""Share of the parts that are flatter than the one that is taken; those may be painted or black."""
CLIPPED = 0.98
"""Display value from which a channel has no grain of its own."""
DARK = 0.1
"""Mean display value below which a part's grain is not that of bright areas."""
WHOLE = 0.1
"""Change in display values from which a fill gets all of the grain."""


class Grain:
    """A photograph's grain, to be laid over fills; the same for the same photograph.

    Parameters
    ----------
    image : ndarray, H×W×3
        The photograph: uint8, uint16 or float in [0, 1], display.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = (0.5 + 0.02 * rng.standard_normal((200, 200, 3))).astype(np.float32)
    >>> image[80:120, 80:120] = 1  # clipped
    >>> fill = np.where(image == 1, 0.5, image).astype(np.float32)
    >>> grainy = Grain(image)(slice(0, 200), image, fill)
    >>> bool(0.01 < grainy[80:120, 80:120].std() < 0.03), np.array_equal(grainy[:80], image[:80])
    (True, True)
    """

    def __init__(self, image: NDArray[np.generic]) -> None:
        self.image = image

    @cached_property
    def tile(self) -> Floats | None:
        """The grain of one of the flattest parts, SIDE×SIDE×3, if there is such a part."""
        height, width = self.image.shape[:2]
        if min(height, width) < SIDE:
            return None
        found: list[Floats] = []
        for top in np.linspace(0, height - SIDE, PARTS).astype(int):
            for left in np.linspace(0, width - SIDE, PARTS).astype(int):
                part = pixels.to_display(self.image[top : top + SIDE, left : left + SIDE])
                if part.max() < CLIPPED and part.mean() > DARK:
                    grain = part - _smoothed(part)
                    found.append(grain)
        return sorted(found, key=np.std)[int(FLAT * len(found))] if found else None

    def __call__(self, rows: slice, before: Floats, after: Floats) -> Floats:
        """Lay the grain over what was filled, channel by channel, where `before` is clipped.

        Parameters
        ----------
        rows : slice
            Which rows of the photograph these are.
        before, after : ndarray, r×W×3
            The photograph, and the same without highlights, display.

        Returns
        -------
        ndarray, r×W×3
            `after`, with grain; where nothing was filled, unchanged.
        """
        if before.max() < CLIPPED:
            return after
        filled = (before >= CLIPPED) & (after < before)
        if not filled.any() or self.tile is None:
            return after
        down, across, channel = np.nonzero(filled)
        down = down + rows.start
        # Grain has no seams; shifted in every row of tiles, it does not line up either.
        across = across + SHIFT * (down // SIDE)
        grain = self.tile[down % SIDE, across % SIDE, channel]
        amount = ((before[filled] - after[filled]) / WHOLE).clip(0, 1)
        result = after.copy()
        result[filled] = (after[filled] + amount * grain).clip(0, 1)
        return result


def _smoothed(part: Floats) -> Floats:
    """Return the mean of every 5×5 window; the border is repeated outwards."""
    padded = np.pad(part, ((2, 2), (2, 2), (0, 0)), "edge")
    height, width = part.shape[:2]
    rows = np.sum([padded[k : k + height] for k in range(5)], 0)
    total: Floats = np.sum([rows[:, k : k + width] for k in range(5)], 0)
    return total / np.float32(25)
