"""An atlas of tileable grey patterns: what textures, bumps, gloss maps and reflections are made of.

Every tile is made from a seed, without any image: noise of many kinds, cells, stripes, checks,
spots, wood, marble, fabric, print and text.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

TILE = 256
"""Pixels on a side of a tile."""

Grey = NDArray[np.float32]


def atlas(rows: int, seed: int = 0) -> Tensor:
    """Make rows × rows tiles.

    Returns
    -------
    Tensor, (1, 1, rows * TILE, rows * TILE)
        Values in [0, 1].
    """
    tiles = []
    for index in range(rows * rows):
        rng = np.random.default_rng((seed, index))
        tile = _MAKERS[index % len(_MAKERS)](rng)
        tiles.append(np.clip(tile, 0, 1).astype(np.float32))
    grid = [np.hstack(tiles[row * rows : (row + 1) * rows]) for row in range(rows)]
    return torch.from_numpy(np.vstack(grid))[None, None]


def _noise(rng: np.random.Generator, slope: float, lowest: float = 1, stretch: float = 1) -> Grey:
    """Tileable Gaussian noise with a power-law spectrum, mean 0.5, most of it inside [0, 1]."""
    fy = np.fft.fftfreq(TILE)[:, None] * TILE
    fx = np.fft.rfftfreq(TILE)[None] * TILE
    radius = np.hypot(fy * stretch, fx)
    spectrum = np.maximum(radius, lowest) ** -slope * (radius > 0)
    phases = rng.standard_normal((TILE, TILE // 2 + 1, 2)) @ np.array([1, 1j])
    field = np.fft.irfft2(spectrum * phases, (TILE, TILE))
    return (0.5 + 0.22 * field / field.std()).astype(np.float32)


def _grid() -> tuple[Grey, Grey]:
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32) / TILE
    return x, y


def _step(field: Grey, threshold: float, softness: float) -> Grey:
    return np.clip((field - threshold) / softness + 0.5, 0, 1)


def _fractal(rng: np.random.Generator) -> Grey:
    return _noise(rng, rng.uniform(1.2, 2.6), rng.choice([1, 3, 8]))


def _ridges(rng: np.random.Generator) -> Grey:
    slope, lowest = rng.uniform(1.6, 2.6), rng.choice([1, 2, 4])
    return np.abs(_noise(rng, slope, lowest) - 0.5) * rng.uniform(2, 4)


def _camouflage(rng: np.random.Generator) -> Grey:
    field = _noise(rng, rng.uniform(1.8, 3), rng.choice([2, 4, 8]))
    levels = rng.integers(1, 4)
    steps = [_step(field, t, 0.02) for t in rng.uniform(0.3, 0.7, levels)]
    return np.mean(steps, axis=0, dtype=np.float32)


def _points(rng: np.random.Generator, count: int) -> tuple[Grey, Grey]:
    """Distances to the nearest and second nearest of random points, wrapped around the tile."""
    x, y = _grid()
    nearest = np.full((TILE, TILE), 9, np.float32)
    second = nearest.copy()
    for px, py in rng.random((count, 2)):
        dx, dy = np.abs(x - px), np.abs(y - py)
        distance = np.hypot(np.minimum(dx, 1 - dx), np.minimum(dy, 1 - dy)).astype(np.float32)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return nearest * np.sqrt(count), second * np.sqrt(count)


def _cells(rng: np.random.Generator) -> Grey:
    nearest, second = _points(rng, int(rng.integers(8, 90)))
    return nearest if rng.random() < 0.5 else np.clip((second - nearest) * 2, 0, 1)


def _spots(rng: np.random.Generator) -> Grey:
    nearest, _ = _points(rng, int(rng.integers(6, 60)))
    return 1 - _step(nearest, rng.uniform(0.15, 0.4), rng.choice([0.03, 0.2]))


def _waves(rng: np.random.Generator, warp: float) -> Grey:
    """Phase of straight, tileable, warped waves."""
    x, y = _grid()
    kx, ky = rng.integers(-12, 13, 2)
    warped = (_noise(rng, 2.5) - 0.5) * warp
    return ((kx or 3) * x + ky * y + warped).astype(np.float32)


def _stripes(rng: np.random.Generator) -> Grey:
    wave = np.sin(2 * np.pi * _waves(rng, rng.choice([0, 0, 1, 3])))
    return _step(wave.astype(np.float32), rng.uniform(-0.7, 0.7), rng.choice([0.1, 0.3, 2]))


def _checks(rng: np.random.Generator) -> Grey:
    x, y = _grid()
    n, m = rng.integers(1, 10, 2)
    softness = float(rng.choice([0.05, 0.2]))
    a = _step(np.sin(2 * np.pi * n * x), 0, softness)
    b = _step(np.sin(2 * np.pi * m * y), 0, softness)
    return np.abs(a - b) if rng.random() < 0.6 else 0.5 * (a + b)


def _wood(rng: np.random.Generator) -> Grey:
    rings = (_noise(rng, 2.6, stretch=0.12) - 0.5) * rng.uniform(4, 14)
    fibre = _noise(rng, 0.9, 4, stretch=0.05)
    return 0.65 * (rings - np.floor(rings)) + 0.35 * fibre


def _marble(rng: np.random.Generator) -> Grey:
    vein = np.sin(2 * np.pi * _waves(rng, rng.uniform(2, 7)))
    return np.abs(vein).astype(np.float32) ** rng.uniform(0.3, 1.2)


def _fabric(rng: np.random.Generator) -> Grey:
    x, y = _grid()
    n = rng.integers(16, 50)
    over = np.sin(2 * np.pi * n * x) * np.sin(2 * np.pi * n * y)
    return (0.5 + 0.3 * over + 0.3 * (_noise(rng, 0.8) - 0.5)).astype(np.float32)


def _canvas(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (TILE, TILE), int(rng.choice([0, 255])))
    return image, ImageDraw.Draw(image)


def _finish(image: Image.Image) -> Grey:
    return (np.asarray(image, np.float32) / 255).astype(np.float32)


def _print(rng: np.random.Generator) -> Grey:
    """Packaging: rectangles, ellipses, polygons and lines of a few greys, and a word or two."""
    image, draw = _canvas(rng)
    greys = rng.integers(0, 256, 4)
    for _ in range(rng.integers(3, 22)):
        grey = int(rng.choice(greys))
        x, y = rng.integers(-40, TILE, 2)
        w, h = (rng.lognormal(4.0, 0.7, 2) + 3).astype(int)
        kind = rng.integers(0, 5)
        if kind == 0:
            draw.rectangle((x, y, x + w, y + h), fill=grey)
        elif kind == 1:
            draw.ellipse((x, y, x + w, y + h), fill=grey)
        elif kind == 2:
            draw.rounded_rectangle((x, y, x + w, y + h), radius=8, outline=grey, width=4)
        elif kind == 3:
            corners = rng.integers(0, max(w, h), (rng.integers(3, 7), 2)) + np.array([x, y])
            draw.polygon([(int(a), int(b)) for a, b in corners], fill=grey)
        else:
            draw.text((x, y), _word(rng), fill=grey, font=_font(rng, 18, 70))
    return _finish(image)


def _text(rng: np.random.Generator) -> Grey:
    image, draw = _canvas(rng)
    grey = 255 - int(np.asarray(image)[0, 0])
    y = int(rng.integers(0, 12))
    while y < TILE:
        font = _font(rng, 10, 40)
        size = int(font.size)
        line = " ".join(_word(rng) for _ in range(12))
        draw.text((int(rng.integers(-20, 20)), y), line, fill=grey, font=font)
        y += int(size * rng.uniform(1.05, 1.6))
    return _finish(image)


def _scribbles(rng: np.random.Generator) -> Grey:
    image, draw = _canvas(rng)
    for _ in range(rng.integers(4, 30)):
        t = np.linspace(0, 1, 24)
        walk = rng.uniform(0, TILE, 2) + np.cumsum(rng.standard_normal((24, 2)) * 9, 0)
        walk += np.outer(t, rng.uniform(-80, 80, 2))
        points = [(float(a), float(b)) for a, b in walk]
        draw.line(points, int(rng.integers(0, 256)), int(rng.integers(1, 6)), "curve")
    return _finish(image)


def _grain(rng: np.random.Generator) -> Grey:
    return _noise(rng, rng.uniform(-0.2, 0.8))


def _smears(rng: np.random.Generator) -> Grey:
    return _noise(rng, rng.uniform(1, 2), stretch=rng.choice([0.05, 0.1, 0.2]))


def _word(rng: np.random.Generator) -> str:
    letters = "AAAEEEIIOOUBCDFGHKLMNPRSTVaaeeeiioubcdfghklmnprstvy0123456789&%"
    return "".join(rng.choice(list(letters), rng.integers(2, 9)))


def _font(rng: np.random.Generator, low: int, high: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(float(rng.integers(low, high)))
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


_MAKERS: tuple[Callable[[np.random.Generator], Grey], ...] = (
    *(_fractal, _ridges, _camouflage, _cells, _spots, _stripes, _checks, _wood),
    *(_marble, _fabric, _print, _print, _text, _scribbles, _grain, _smears),
)
"""What tiles are made by, in turn; packaging counts twice."""
