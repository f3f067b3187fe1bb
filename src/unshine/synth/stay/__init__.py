"""Bright things that are no highlights and must stay, drawn by name.

What shines by itself (lamps, moon, sun, flames, neon, stars, the Milky Way, screens, windows, sky),
what is written or drawn (lettering, thin lines, frames, screenshots, drawings, pixel art) and what
is simply white (collars, daisies, blossoms, china, enamel, shapes, stripes, rims of petals, leaves
against the light, teeth, catchlights, snow, sand below water, clouds, paper, the pith of fruit,
patches of ragged outline, labels and stickers on coloured things).
Each maker draws one kind with Pillow, from a seed.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine.synth.stay import drawn, labels, lights, ragged, solid, white

Floats = NDArray[np.float32]

SCALE = 2
"""Drawn this much larger, then reduced: edges are smooth, as a camera's are."""


def make(kind: str, size: int, rng: np.random.Generator) -> Floats:
    """Draw an image of one kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    size : int
        Height and width.
    rng : Generator

    Returns
    -------
    ndarray, (size, size, 3), float32
        Display values in [0, 1], without any highlight but what belongs to the things shown.
    """
    image = KINDS[kind](SCALE * size, rng).convert("RGB")
    image = image.resize((size, size), Image.Resampling.BOX)
    return (np.asarray(image, np.float32) / 255).astype(np.float32)


KINDS: dict[str, Callable[[int, np.random.Generator], Image.Image]] = {
    "lamps": lights.lamps,
    "moon": lights.moon,
    "sun": lights.sun,
    "flames": lights.flames,
    "neon": lights.neon,
    "stars": lights.stars,
    "milky way": lights.milky_way,
    "windows": lights.windows,
    "screen": lights.screen,
    "sky": lights.sky,
    "lettering": drawn.lettering,
    "lines": drawn.lines,
    "screenshot": drawn.screenshot,
    "drawing": drawn.drawing,
    "pixel art": drawn.pixel_art,
    "daisies": white.daisies,
    "collars": white.collars,
    "rims": white.rims,
    "leaves": white.leaves,
    "faces": white.faces,
    "clouds": white.clouds,
    "paper": white.paper,
    "blossoms": white.blossoms,
    "china": white.china,
    "enamel": solid.enamel,
    "shapes": white.shapes,
    "stripes": white.stripes,
    "snow": white.snow,
    "shallows": white.shallows,
    "fruit": white.fruit,
    "marbling": ragged.marbling,
    "labels": labels.labels,
}
"""The kinds of things that must stay, and who draws them."""

SHINY = (
    "lettering", "lines", "screen", "drawing", "collars", "rims", "leaves", "faces", "paper",
    "china", "enamel", "shapes", "stripes", "fruit", "marbling",
)  # fmt: skip
"""Kinds that may have glare on them all the same."""

OFTEN = {
    **dict.fromkeys(KINDS, 1),
    **dict.fromkeys(
        ("flames", "neon", "sun", "stars", "moon", "faces", "collars", "china", "shapes", "clouds",
         "snow", "sky", "fruit", "marbling", "milky way", "shallows"), 3,
    ),
    "lamps": 18, "lettering": 14, "enamel": 12, "blossoms": 10,
    "labels": 6,
}  # fmt: skip
"""How often each kind is drawn, beside the others: more often what is mistaken most, small and
bright, white on colour, or pale and soft, as highlights are. What becomes rare comes back."""

GLARED = 0.45
"""How often a thing of a kind that may have glare has any."""


def draw_lots(count: int, rng: np.random.Generator) -> list[str]:
    """Choose kinds, as often as `OFTEN` says."""
    often = np.array(list(OFTEN.values()))
    return [str(kind) for kind in rng.choice(list(OFTEN), count, p=often / often.sum())]
