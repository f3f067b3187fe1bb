"""What things that must stay are drawn with: colours, grounds, glows, words."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Canvas = tuple[Image.Image, ImageDraw.ImageDraw]
Colour = tuple[int, int, int]


def random_colour(
    rng: np.random.Generator, low: float = 0, high: float = 1, vivid: float = 0.5
) -> Colour:
    """A random display colour whose largest channel lies between two values."""
    value = rng.uniform(low, high)
    saturation = rng.uniform(0.4, 1) if rng.random() < vivid else rng.uniform(0, 0.15)
    hue = rng.uniform(0, 6) + np.array([0, 4, 2])
    wheel = np.clip(np.abs(hue % 6 - 3) - 1, 0, 1)
    r, g, b = np.rint(255 * value * (1 - saturation * (1 - wheel))).astype(int)
    return int(r), int(g), int(b)


def light(rng: np.random.Generator) -> Colour:
    """White, or nearly."""
    return tuple(int(x) for x in rng.integers(225, 256, 3))  # type: ignore[return-value]


def ground(size: int, rng: np.random.Generator, low: float, high: float) -> Canvas:
    """A ground of one colour running into another, mottled."""
    first, second = (np.array(random_colour(rng, low, high), np.float32) for _ in range(2))
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle = rng.uniform(0, 2 * math.pi)
    ramp = np.clip(0.5 + (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle), 0, 1)
    cells = int(rng.choice([3, 6, 12, 40]))
    noise = Image.fromarray(rng.integers(0, 256, (cells, cells)).astype(np.uint8))
    mottle = (
        np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255 - 0.5
    )
    ramp = (ramp + mottle * rng.choice([0, 0.2, 0.8])).clip(0, 1)[..., None]
    image = Image.fromarray(np.rint(first + (second - first) * ramp).clip(0, 255).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def relief(
    size: int, rng: np.random.Generator, cells: tuple[int, ...], fall: float
) -> NDArray[np.float32]:
    """Noise of several sizes, (size, size), of mean 0 and deviation 1.

    Noise of ``n`` cells a side counts ``n ** -fall``.
    """
    field = np.zeros((size, size), np.float32)
    for n in cells:
        noise = Image.fromarray(rng.standard_normal((n, n)).astype(np.float32))
        field += np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC)) / n**fall
    return ((field - field.mean()) / field.std()).astype(np.float32)


def foliage(size: int, rng: np.random.Generator) -> Image.Image:
    """A lawn of blades or a bush of leaves, lit from above, partly out of focus."""
    image, draw = ground(size, rng, 0.02, 0.5)
    base = np.array([rng.uniform(0.15, 0.6), rng.uniform(0.35, 0.75), rng.uniform(0, 0.3)])
    blades, length = rng.random() < 0.6, size * rng.uniform(0.03, 0.2)
    for _ in range(rng.integers(150, 500)):
        x, y = rng.uniform(0, size, 2)
        angle = rng.normal() * 0.5 - math.pi / 2 if blades else rng.uniform(0, 2 * math.pi)
        dx, dy = length * math.cos(angle), length * math.sin(angle)
        fill = tuple(int(v) for v in (255 * base * rng.uniform(0.2, 1.3)).clip(0, 255))
        if blades:
            draw.line((x, y, x + dx, y + dy), fill, int(rng.integers(1, 2 + size // 90)))
        else:
            wide = rng.uniform(0.15, 0.4)
            draw.polygon(
                [(x, y), (x + dx / 2 - wide * dy, y + dy / 2 + wide * dx), (x + dx, y + dy),
                 (x + dx / 2 + wide * dy, y + dy / 2 - wide * dx)],
                fill,
            )  # fmt: skip
    return image.filter(ImageFilter.GaussianBlur(float(rng.choice([0.5, 1, 3, 8]))))


def shaded(layer: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Let the light on a layer fall off in one direction, keeping its alpha."""
    values = np.asarray(layer, np.float32).copy()
    y, x = np.mgrid[: layer.height, : layer.width].astype(np.float32) / layer.width - 0.5
    angle, fall = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.8)
    values[..., :3] *= (1 - fall * (0.5 + x * math.cos(angle) + y * math.sin(angle)))[..., None]
    return Image.fromarray(values.clip(0, 255).astype(np.uint8), layer.mode)


def own_light(image: Image.Image, rng: np.random.Generator) -> NDArray[np.float32]:
    """The light that falls on what a photograph shows, (H, W, 1), about 1 where it is brightest."""
    soft = np.asarray(
        image.convert("L").filter(ImageFilter.GaussianBlur(rng.uniform(4, 20))), np.float32
    )
    seen = (soft / (np.percentile(soft, 95) + 1)).clip(0, 1.1)[..., None]
    flat = rng.uniform(0.4, 0.9)
    return (flat + (1 - flat) * seen).clip(0, 1.05).astype(np.float32)


def clutter(draw: ImageDraw.ImageDraw, size: int, rng: np.random.Generator, high: float) -> None:
    """Boxes and bodies in front of the ground, none brighter than `high`."""
    for _ in range(rng.integers(0, 7)):
        x, y = rng.uniform(-0.2, 1, 2) * size
        w, h = rng.uniform(0.1, 0.7, 2) * size
        fill = random_colour(rng, 0, high)
        if rng.random() < 0.6:
            draw.rectangle((x, y, x + w, y + h), fill=fill)
        else:
            draw.ellipse((x, y, x + w, y + h), fill=fill)


def glow(image: Image.Image, source: Image.Image, radius: float, strength: float) -> Image.Image:
    """Add the blurred light of `source` to an image."""
    halo = source.filter(ImageFilter.GaussianBlur(radius))
    halo = halo.point(lambda value: int(min(255, value * strength)))
    return ImageChops.add(ImageChops.lighter(image, source), halo)


def word(rng: np.random.Generator) -> str:
    """Return letters and figures that mean nothing."""
    letters = "AAEEIIOOUBCDFGHKLMNPRSTVaaeeeiioubcdfghklmnprstvy0123456789&%"
    return "".join(rng.choice(list(letters), rng.integers(1, 9)))


def write(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    height: float,
    fill: Colour,
    rng: np.random.Generator,
    words: int = 3,
) -> None:
    """Write a few words from a place on."""
    font = ImageFont.load_default(max(6.0, height))
    draw.text((x, y), " ".join(word(rng) for _ in range(words)), fill=fill, font=font)


def polar(x: float, y: float, distance: float, angle: float) -> tuple[float, float]:
    """Return the point so far from another in a direction."""
    return x + distance * math.cos(angle), y + distance * math.sin(angle)


def blob(
    cx: float, cy: float, radius: float, rng: np.random.Generator, wobble: float = 0.2
) -> list[tuple[float, float]]:
    """Return the corners of a wobbly round outline."""
    angles = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    r = np.ones_like(angles)
    for order in range(2, 6):
        r += wobble * rng.normal() / order * np.cos(order * angles + rng.uniform(0, 6.3))
    stretch = rng.uniform(0.5, 1)
    points = zip(
        cx + radius * r * np.cos(angles), cy + stretch * radius * r * np.sin(angles), strict=True
    )
    return [(float(x), float(y)) for x, y in points]
