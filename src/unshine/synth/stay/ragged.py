"""Pale patches of ragged outline: pith, fat in meat, foam, lichen, peeling paint."""

import numpy as np
from PIL import Image, ImageFilter

from unshine.synth.stay.brushes import ground, light, relief

CELLS = (2, 4, 8, 16, 32, 64, 128)
"""Cells a side of the noise that patches are made of."""


def marbling(size: int, rng: np.random.Generator) -> Image.Image:
    """White or pale in something strongly coloured, in one place or all over, with a grain.

    As bright, as ragged and as wet-looking as gloss on a bumpy thing, and none.
    """
    image, _ = ground(size, rng, 0.1, 0.9)
    streaks = rng.uniform(0, 0.2) * relief(size, rng, CELLS, 0.3)[..., None]
    body = np.asarray(image, np.float32) * (1 + streaks)
    field = relief(size, rng, CELLS, rng.uniform(0.4, 1.2))
    if rng.random() < 0.6:  # in one place, or a few
        y, x = np.mgrid[:size, :size].astype(np.float32) / size
        places = rng.uniform((0.1, 0.1, 0.05), (0.9, 0.9, 0.3), (rng.integers(1, 4), 3))
        far = [np.hypot(x - left, y - top) / reach for left, top, reach in places]
        field = field + 2.5 - 2 * np.min(far, 0)
    else:
        field = field - rng.uniform(0.3, 1.8)
    share = (field / rng.uniform(0.2, 1)).clip(0, 1)[..., None] * rng.uniform(0.6, 1)
    grain = rng.uniform(0, 0.25) * relief(size, rng, CELLS, 0.2)[..., None]
    pale = np.array(light(rng), np.float32) * (1 - grain)
    fall = 1 - rng.uniform(0, 0.3) * relief(size, rng, CELLS[:2], 1)[..., None]
    values = rng.uniform(0.5, 1) * (body + share * (pale - body)) * fall.clip(0.1, None)
    drawn = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    return drawn.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2.5)))
