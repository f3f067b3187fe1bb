"""What is written or drawn: lettering, lines, screenshots, drawings, pixel art."""

import numpy as np
from PIL import Image, ImageDraw

from unshine.synth.stay.brushes import (
    blob,
    clutter,
    ground,
    light,
    random_colour,
    write,
)


def lettering(size: int, rng: np.random.Generator) -> Image.Image:
    """Light letters on something darker, dark ones on something light, small and large."""
    dark = rng.random() < 0.7
    image, draw = ground(size, rng, *((0, 0.6) if dark else (0.7, 1)))
    clutter(draw, size, rng, 0.6 if dark else 1)
    fill = light(rng) if rng.random() < 0.6 else random_colour(rng, 0.75, 1)
    fill = fill if dark else random_colour(rng, 0, 0.4)
    y = rng.uniform(-0.05, 0.3) * size
    height = rng.uniform(0.03, 0.35) * size
    while y < size:
        write(draw, rng.uniform(-0.1, 0.3) * size, y, height, fill, rng, int(rng.integers(1, 9)))
        y += height * rng.uniform(1.1, 2)
        height = float(np.clip(height * rng.choice([1, 1, 1, 0.5, 1.4]), 0.025 * size, 0.5 * size))
    if rng.random() < 0.5:
        image = image.rotate(
            rng.uniform(-30, 30), Image.Resampling.BICUBIC, fillcolor=random_colour(rng, 0, 0.6)
        )
    return image


def lines(size: int, rng: np.random.Generator) -> Image.Image:
    """Thin light lines, frames, rims and grids."""
    image, draw = ground(size, rng, 0, 0.65)
    clutter(draw, size, rng, 0.7)
    fill = light(rng)
    for _ in range(rng.integers(1, 9)):
        width = int(rng.integers(1, 7))
        box = np.sort(rng.uniform(-0.1, 1.1, (2, 2)) * size, 0)
        x0, y0, x1, y1 = (float(v) for v in (box[0, 0], box[0, 1], box[1, 0], box[1, 1]))
        kind = rng.integers(0, 4)
        if kind == 0:
            draw.rectangle((x0, y0, x1, y1), outline=fill, width=width)
        elif kind == 1:
            draw.ellipse((x0, y0, x1, y1), outline=fill, width=width)
        elif kind == 2:
            draw.line((x0, y0, x1, y1), fill=fill, width=width)
        else:
            step = rng.uniform(0.06, 0.2) * size
            for k in range(int(size / step)):
                draw.line((k * step, y0, k * step, y1), fill=fill, width=max(1, width // 2))
    return image


def screenshot(size: int, rng: np.random.Generator) -> Image.Image:
    """A program or page on a screen: bars, lines of text, buttons, boxes."""
    dark = rng.random() < 0.5
    paper = int(rng.integers(15, 60) if dark else rng.integers(225, 256))
    ink = int(rng.integers(170, 256) if dark else rng.integers(0, 90))
    image = Image.new(
        "RGB", (size, size), (paper, paper, min(255, paper + int(rng.integers(0, 12))))
    )
    draw = ImageDraw.Draw(image)
    accent = random_colour(rng, 0.5, 1, 1)
    if rng.random() < 0.7:
        bar = rng.uniform(0.05, 0.15) * size
        draw.rectangle(
            (0, 0, size, bar), fill=accent if rng.random() < 0.5 else (paper // 2 + 40,) * 3
        )
        write(draw, 0.03 * size, bar * 0.2, bar * 0.5, light(rng), rng, 4)
    side = rng.uniform(0, 0.35) * size * (rng.random() < 0.5)
    draw.rectangle((0, bar if "bar" in locals() else 0, side, size), fill=(max(0, paper - 15),) * 3)
    y, height = 0.18 * size, rng.uniform(0.03, 0.08) * size
    while y < size:
        kind = rng.random()
        if kind < 0.7:
            write(draw, side + 0.05 * size, y, height, (ink,) * 3, rng, int(rng.integers(1, 10)))
        elif kind < 0.85:
            x = side + rng.uniform(0.05, 0.4) * size
            draw.rounded_rectangle((x, y, x + 0.25 * size, y + 1.6 * height), 6, fill=accent)
            write(draw, x + 6, y + 2, height * 0.9, light(rng), rng, 1)
        else:
            draw.rectangle((side + 0.05 * size, y, size * 0.95, y + 2 * height), outline=(ink,) * 3)
        y += height * rng.uniform(1.3, 2.6)
    return image


def drawing(size: int, rng: np.random.Generator) -> Image.Image:
    """Flat colours with outlines, as drawings, cartoons and charts have."""
    image = Image.new("RGB", (size, size), light(rng) if rng.random() < 0.6 else random_colour(rng))
    draw = ImageDraw.Draw(image)
    outline = random_colour(rng, 0, 0.2) if rng.random() < 0.6 else None
    for _ in range(rng.integers(3, 14)):
        cx, cy = rng.uniform(0, 1, 2) * size
        fill = light(rng) if rng.random() < 0.3 else random_colour(rng, 0.2, 1)
        draw.polygon(
            blob(cx, cy, rng.uniform(0.04, 0.35) * size, rng, rng.uniform(0, 0.8)),
            fill=fill,
            outline=outline,
            width=int(rng.integers(1, 6)),
        )
    return image


def pixel_art(size: int, rng: np.random.Generator) -> Image.Image:
    """Large square pixels of a few colours, the left half mirrored."""
    cells = int(rng.choice([8, 12, 16, 24, 32]))
    colours = np.array([*(random_colour(rng) for _ in range(4)), light(rng), (0, 0, 0)], np.uint8)
    half = rng.integers(0, len(colours), (cells, cells // 2)) * (
        rng.random((cells, cells // 2)) < 0.6
    )
    art = colours[np.hstack([half, half[:, ::-1]])]
    return Image.fromarray(art).resize((size, size), Image.Resampling.NEAREST)
