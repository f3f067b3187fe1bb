"""What is stuck on things: stickers, labels, tags, price cards, white edges beside them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from unshine.synth.stay.brushes import (
    Colour,
    blob,
    clutter,
    ground,
    light,
    own_light,
    random_colour,
    shaded,
    write,
)


def labels(size: int, rng: np.random.Generator) -> Image.Image:
    """Round coloured things in a heap, some with white on them: fruit in a shop."""
    image, draw = ground(size, rng, 0.02, 0.6)
    clutter(draw, size, rng, 0.6)
    colours = [random_colour(rng, 0.2, 1, 0.9) for _ in range(rng.integers(1, 4))]
    radius = rng.uniform(0.1, 0.4) * size
    for _ in range(rng.integers(2, 20)):
        colour = colours[rng.integers(len(colours))]
        layer = Image.new("RGBA", (size, size), (*colour, 0))
        x, y = rng.uniform(0, size, 2)
        ImageDraw.Draw(layer).polygon(blob(x, y, radius * rng.uniform(0.8, 1.2), rng, 0.1), colour)
        layer = layer.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
        image.paste(shaded(layer, rng), (0, 0), layer)
    return labelled(image, rng).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))


def labelled(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Stick one to six labels on what a square image shows, in the light that falls there.

    They are as white as gloss, and as small, on the same colourful things; and they stay.
    """
    size = image.width
    lit = own_light(image, rng)
    values = np.asarray(image, np.float32)
    for _ in range(rng.integers(1, 7)):
        card = _card(size, rng).rotate(rng.uniform(0, 360), Image.Resampling.BICUBIC, expand=True)
        # White below its transparency, so that blurring darkens no edge.
        layer = Image.new("RGBA", image.size, (255, 255, 255, 0))
        x, y = rng.uniform(0, size, 2)
        layer.paste(card, (int(x) - card.width // 2, int(y) - card.height // 2), card)
        layer = layer.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1)))
        paper = np.asarray(layer, np.float32)
        values += paper[..., 3:] / 255 * (rng.uniform(0.75, 1.2) * lit * paper[..., :3] - values)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _card(size: int, rng: np.random.Generator) -> Image.Image:
    """A sticker, a label, a tag, or the long edge of something white, printed on or not."""
    kind = rng.choice(["round", "label", "tag", "edge"], p=[0.35, 0.35, 0.15, 0.15])
    wide = size * rng.uniform(*{"label": (0.08, 0.5), "edge": (0.5, 1.5)}.get(kind, (0.03, 0.18)))
    high = wide * rng.uniform(0.02, 0.15) if kind == "edge" else wide * rng.uniform(0.4, 1)
    wide, high = max(6, int(wide)), max(4, int(high))
    white = light(rng)
    card = Image.new("RGBA", (wide, high), (*white, 0))
    draw = ImageDraw.Draw(card)
    box = (0, 0, wide - 1, high - 1)
    if kind == "round":
        draw.ellipse(box, white)
    elif kind == "tag":
        draw.polygon(
            [(0, high // 2), (high // 3, 0), (wide, 0), (wide, high), (high // 3, high)], white
        )
    else:
        draw.rounded_rectangle(box, rng.uniform(0, 0.3) * high, white)
    if rng.random() < 0.7:
        _print(card, random_colour(rng, 0, 0.9, 0.7), rng)
    return card


def _print(card: Image.Image, ink: Colour, rng: np.random.Generator) -> None:
    """Print words, bars, a band or a picture on a card, within its outline."""
    wide, high = card.size
    outline = card.getchannel("A")
    draw = ImageDraw.Draw(card)
    if rng.random() < 0.4:
        top = rng.uniform(0, 0.7) * high
        draw.rectangle((0, top, wide, top + rng.uniform(0.1, 0.4) * high), ink)
    if rng.random() < 0.4:
        left, top = rng.uniform(0.1, 0.5, 2) * card.size
        draw.ellipse(
            (left, top, left + 0.3 * wide, top + 0.4 * high), random_colour(rng, 0, 1, 0.9)
        )
    if rng.random() < 0.3:
        for x in range(int(0.2 * wide), int(0.7 * wide), 3):
            draw.line((x, 0.5 * high, x, 0.9 * high), (20, 20, 20), int(rng.integers(1, 3)))
    for _ in range(rng.integers(0, 4)):
        left, top = rng.uniform(0, 0.6, 2) * card.size
        write(draw, left, top, high * rng.uniform(0.12, 0.4), ink, rng, 2)
    card.putalpha(outline)
