"""Cards, pages, whiteboards, prints and screens: flat things that glare lies on, cut off at edges.

What tells glare on a card from paint is that it fades the print, is soft, and ends where the card
does. Unlike gloss on a body it may be wide: what is under it is flat and known from beside it.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from unshine.synth import stay
from unshine.synth.stay.brushes import clutter, ground, random_colour, write

WINDOW, SHARE = 0.45, 0.4
"""How far the patch of a peak of glare reaches on flat things, and how much of the image glare may
cover: more than gloss on a body, since what is under it is known from beside it."""

BANDS = 0.6
"""How often a window's or a tube's band lies on them."""

GLARED = 0.85
"""How often there is any glare."""


def make(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a flat thing and the surface on which glare may lie.

    Parameters
    ----------
    size : int
        Height and width.
    rng : Generator

    Returns
    -------
    ndarray, (size, size, 4), float32
        Display values in [0, 1] without any glare, and 1 where the thing is, else 0.

    Examples
    --------
    >>> drawn = make(32, np.random.default_rng(1))
    >>> drawn.shape, bool(drawn[..., 3].any())
    ((32, 32, 4), True)
    """
    extent = stay.SCALE * size
    image, draw = ground(extent, rng, 0.02, 0.9)
    clutter(draw, extent, rng, 0.9)
    width, height = (int(v) for v in rng.uniform(0.5, 1.3, 2) * extent)
    thing = KINDS[rng.integers(len(KINDS))](width, height, rng).convert("RGB")
    outline = Image.new("L", thing.size)
    radius = int(rng.choice([0, 0.05, 0.1]) * min(thing.size))
    ImageDraw.Draw(outline).rounded_rectangle((0, 0, width - 1, height - 1), radius, fill=255)
    angle, bicubic = rng.normal() * 15, Image.Resampling.BICUBIC
    thing, outline = (x.rotate(angle, bicubic, expand=True) for x in (thing, outline))
    shift = (0.12 * extent * rng.normal(size=2)).astype(int)
    left, top = (extent - thing.width) // 2, (extent - thing.height) // 2
    corner = (left + int(shift[0]), top + int(shift[1]))
    surface = Image.new("L", image.size)
    surface.paste(outline, corner)
    image.paste(thing, corner, outline)
    # Reduced apart: an image loses its colours where its alpha is 0.
    blurred = ImageFilter.GaussianBlur(rng.uniform(0, 1.5))
    planes = [np.asarray(x.filter(blurred).reduce(stay.SCALE)) for x in (image, surface)]
    return (np.dstack(planes) / np.float32(255)).astype(np.float32)


def _card(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """An identity or bank card: one colour or two, a portrait, lines of print."""
    image, draw = _plate(width, height, rng, (0.25, 0.95))
    if rng.random() < 0.6:
        left, top, across = 0.06 * width, rng.uniform(0.1, 0.4) * height, 0.28 * width
        draw.rectangle((left, top, left + across, top + 1.2 * across), random_colour(rng, 0.3, 0.9))
        cx, cy, r = left + across / 2, top + 0.55 * across, 0.28 * across
        draw.ellipse((cx - r, cy - 1.4 * r, cx + r, cy + 1.4 * r), random_colour(rng, 0.2, 0.9))
    _print(draw, rng.choice([0.08, 0.4]) * width, width, height, 0.11 * height, rng)
    return image


def _page(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A page of a book or magazine: lines of small print, perhaps a plate."""
    image, draw = _plate(width, height, rng, (0.55, 0.92), vivid=0.15)
    _print(draw, 0.07 * width, width, height, 0.045 * height, rng)
    if rng.random() < 0.5:
        top = rng.uniform(0, 0.6) * height
        draw.rectangle(
            (0.1 * width, top, 0.9 * width, top + 0.3 * height), random_colour(rng, 0.2, 0.9)
        )
    return image


def _board(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A whiteboard or a blackboard with strokes of a pen."""
    dark = rng.random() < 0.25
    image, draw = _plate(width, height, rng, (0.1, 0.35) if dark else (0.5, 0.88), vivid=0.1)
    for _ in range(rng.integers(3, 30)):
        steps = rng.normal(size=(int(rng.integers(2, 20)), 2)).cumsum(0) * 0.03 * width
        points = steps + rng.uniform(0, 1, 2) * (width, height)
        ink = random_colour(rng, 0.7, 1) if dark else random_colour(rng, 0, 0.7, 0.7)
        draw.line([tuple(p) for p in points], ink, int(rng.integers(2, 6)))
    return image


def _picture(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A print or a screen that shows something else, a little less bright."""
    shown = stay.KINDS[str(rng.choice(["leaves", "daisies", "clouds", "screenshot", "drawing"]))]
    image = shown(max(width, height), rng).convert("RGB").crop((0, 0, width, height))
    level = rng.uniform(0.3, 0.9)
    return image.point(lambda value: int(value * level))


def _plate(
    width: int,
    height: int,
    rng: np.random.Generator,
    levels: tuple[float, float],
    vivid: float = 0.7,
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A ground of one colour, or of one running into another."""
    first = np.array(random_colour(rng, *levels, vivid), np.float32)
    other = np.array(random_colour(rng, *levels, vivid), np.float32)
    ramp = np.linspace(0, rng.choice([0, 0.2, 1]), width, dtype=np.float32)[None, :, None]
    values = np.repeat(first + (other - first) * ramp, height, 0)
    image = Image.fromarray(np.rint(values).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def _print(
    draw: ImageDraw.ImageDraw, left: float, width: int, height: int, line: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Lines of words from the top to the bottom."""
    dark = rng.random() < 0.8
    ink = random_colour(rng, 0, 0.35, 0.4) if dark else random_colour(rng, 0.85, 1, 0.1)
    y = rng.uniform(0.03, 0.3) * height
    while y < 0.92 * height:
        size = line * math.exp(rng.normal() * 0.2)
        if rng.random() < 0.85:
            write(draw, left, y, size, ink, rng, max(1, int(rng.uniform(0.1, 0.3) * width / size)))
        y += size * rng.uniform(1.1, 1.8)


KINDS: tuple[Callable[[int, int, np.random.Generator], Image.Image], ...] = (
    _card, _card, _page, _board, _picture,
)  # fmt: skip
"""Who draws them; cards are drawn twice as often."""
