"""White things that are round or bevelled: enamel, porcelain, plastic, painted tubes."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from unshine import optics
from unshine.synth.stay.brushes import blob, clutter, ground, light, random_colour

Light = tuple[float, float, float]


def enamel(size: int, rng: np.random.Generator) -> Image.Image:
    """Lids, bowls, boxes, tubes, shaded as solid things are, with shadows beside them.

    Their lit side is white or clips, one side fades to grey: as bright and as soft as broad gloss,
    and none.
    """
    image, draw = ground(size, rng, 0.02, 0.85)
    clutter(draw, size, rng, 0.7)
    turn, height = rng.uniform(0, 2 * math.pi), rng.uniform(0.15, 0.9)
    across = math.sqrt(1 - height**2)
    towards = (across * math.cos(turn), across * math.sin(turn), height)
    white, coloured = light(rng), random_colour(rng, 0.2, 0.9, 1)
    for index in range(rng.integers(1, 7)):
        layer = _outline(size, rng)
        mask = np.asarray(layer) > 127
        if not mask.any():
            continue
        if rng.random() < 0.6:
            _cast(image, layer, towards, rng)
        # Now and then a coloured thing among them: being solid does not make it white.
        fill = coloured if index and rng.random() < 0.25 else white
        level = _shade(mask, towards, rng)
        body = np.array(fill, np.float32) * level[..., None]
        image.paste(Image.fromarray(body.clip(0, 255).astype(np.uint8)), (0, 0), layer)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))


def _outline(size: int, rng: np.random.Generator) -> Image.Image:
    """One thing seen from somewhere: round, a box, a tube, a ring; white on black."""
    layer = Image.new("L", (size, size))
    draw = ImageDraw.Draw(layer)
    x, y, r = (*rng.uniform(0.1, 0.9, 2) * size, size * math.exp(rng.uniform(-3, -0.8)))
    kind, tilt = rng.integers(5), rng.uniform(0.25, 1)
    box = (x - r, y - tilt * r, x + r, y + tilt * r)
    if kind == 0:
        draw.ellipse(box, 255)
    elif kind == 1:
        draw.rounded_rectangle(box, r * tilt * rng.uniform(0, 0.6), 255)
    elif kind == 2:
        draw.polygon(blob(x, y, r, rng, 0.3), 255)
    elif kind == 3:
        draw.ellipse(box, outline=255, width=max(3, int(r * rng.uniform(0.05, 0.4))))
    else:
        width = max(4, int(size * math.exp(rng.uniform(-4.5, -2.5))))
        draw.line(_bent(size, rng), 255, width, "curve")
    return layer.rotate(rng.uniform(-40, 40), Image.Resampling.BICUBIC, center=(x, y))


def _bent(size: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """A path from one place to another, bent towards a third: a curve, or one sharp corner."""
    start, bend, end = rng.uniform(-0.1, 1.1, (3, 2)) * size
    steps = np.linspace(0, 1, 24 if rng.random() < 0.6 else 3)[:, None]
    path = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * bend + steps**2 * end
    return [(float(x), float(y)) for x, y in path]


def _shade(
    mask: NDArray[np.bool_], towards: Light, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Display values of a body of that outline, (H, W): round edges, a top that leans."""
    inwards = ndimage.distance_transform_edt(mask).astype(np.float32)
    edge = max(3.0, float(inwards.max()) * rng.choice([0.15, 0.5, 1]) * rng.uniform(0.7, 1))
    relief = edge * _quarter(inwards / edge)
    if rng.random() < 0.3:  # hollow within a rim
        relief -= 1.5 * edge * _quarter(inwards / edge - rng.uniform(0.2, 0.7))
    relief = ndimage.gaussian_filter(relief, 0.03 * edge + 1)
    leaning = rng.normal(size=2) * 0.4
    down, right = np.gradient(relief)
    right, down = right + leaning[0], down + leaning[1]
    facing = -towards[0] * right - towards[1] * down + towards[2]
    facing = (facing / np.sqrt(1 + right**2 + down**2)).clip(0, 1)
    ambient = rng.uniform(0.1, 0.75)
    lit = ambient + (1 - ambient) * facing / facing[mask].max().clip(0.1)
    exposed: NDArray[np.float32] = optics.encode(rng.uniform(0.6, 1.5) * lit)
    return exposed


def _quarter(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rise from 0 at 0 to 1 at 1, as a quarter of a circle does."""
    return np.sqrt(1 - (1 - x.clip(0, 1)) ** 2)


def _cast(image: Image.Image, layer: Image.Image, towards: Light, rng: np.random.Generator) -> None:
    """Darken the ground on the side away from the light."""
    far = rng.uniform(0.01, 0.12) * image.width
    away = (-far * towards[0], -far * towards[1])
    cast = layer.transform(
        layer.size, Image.Transform.AFFINE, (1, 0, -away[0], 0, 1, -away[1])
    ).filter(ImageFilter.GaussianBlur(rng.uniform(1, 12)))
    share = rng.uniform(0.2, 0.8)
    image.paste((8, 8, 10), (0, 0), cast.point(lambda value: int(share * value)))
