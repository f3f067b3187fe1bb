"""What shines by itself: lamps, moon, sun, flames, neon, stars, windows, screens, sky."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from unshine.synth.stay import drawn, white
from unshine.synth.stay.brushes import (
    blob,
    clutter,
    glow,
    ground,
    light,
    random_colour,
    relief,
    word,
)


def lamps(size: int, rng: np.random.Generator) -> Image.Image:
    """Lamps at dusk or night, in a row or anywhere, with their glow."""
    image, draw = ground(size, rng, 0, rng.choice([0.15, 0.35, 0.6]))
    clutter(draw, size, rng, 0.3)
    source = Image.new("RGB", (size, size))
    lamp = ImageDraw.Draw(source)
    warm = tuple(int(x) for x in (255, rng.integers(200, 256), rng.integers(110, 256)))
    row = rng.random() < 0.5
    y = rng.uniform(0.1, 0.8) * size
    for k in range(rng.integers(1, 9)):
        x, r = rng.uniform(0, 1) * size, rng.uniform(0.008, 0.07) * size
        y = y if row else rng.uniform(0.05, 0.9) * size
        if rng.random() < 0.4:
            draw.line((x, y, x, size), fill=random_colour(rng, 0, 0.15), width=max(1, int(r / 3)))
        shape = lamp.ellipse if rng.random() < 0.75 else lamp.rectangle
        shape(
            (x - r, y - r, x + r, y + r * rng.uniform(0.4, 1)), fill=warm if k % 3 else light(rng)
        )
    return glow(image, source, rng.uniform(0.01, 0.08) * size, rng.uniform(0.5, 4))


def moon(size: int, rng: np.random.Generator) -> Image.Image:
    """The moon, full or not, over a dark or blue sky."""
    image, draw = ground(size, rng, 0, rng.choice([0.1, 0.4, 0.7]))
    cx, cy, r = (*rng.uniform(0.15, 0.85, 2) * size, rng.uniform(0.02, 0.3) * size)
    disc = Image.new("L", (size, size))
    pen = ImageDraw.Draw(disc)
    pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=255)
    if rng.random() < 0.4:
        shift = rng.uniform(-1.5, 1.5) * r
        pen.ellipse((cx + shift - r, cy - r, cx + shift + r, cy + r), fill=0)
    level = int(rng.integers(170, 256))
    face = Image.new("RGB", (size, size), (level, level, int(level * rng.uniform(0.75, 1))))
    pen = ImageDraw.Draw(face)
    for _ in range(rng.integers(0, 12)):
        x, y = cx + r * rng.uniform(-1, 1), cy + r * rng.uniform(-1, 1)
        pen.polygon(blob(x, y, r * rng.uniform(0.05, 0.4), rng), fill=(int(level * 0.82),) * 3)
    face = face.filter(ImageFilter.GaussianBlur(r * 0.05))
    image.paste(face, mask=disc.filter(ImageFilter.GaussianBlur(1)))
    if rng.random() < 0.5:
        draw = ImageDraw.Draw(image)
        draw.polygon(
            [
                (0, size),
                *((x * size / 8, size * rng.uniform(0.6, 0.95)) for x in range(9)),
                (size, size),
            ],
            fill=random_colour(rng, 0, 0.15),
        )
    return image


def sun(size: int, rng: np.random.Generator) -> Image.Image:
    """The sun in a coloured sky, often over a horizon."""
    y = np.linspace(0, 1, size)[:, None, None]
    top, low = (
        np.array(random_colour(rng, 0.3, 0.9)),
        np.array([255, rng.integers(120, 220), rng.integers(40, 160)]),
    )
    sky = (top + (low - top) * y ** rng.uniform(0.6, 2)).repeat(size, 1)
    image = Image.fromarray(sky.clip(0, 255).astype(np.uint8))
    source = Image.new("RGB", (size, size))
    cx, cy, r = (*rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0.02, 0.12) * size)
    ImageDraw.Draw(source).ellipse(
        (cx - r, cy - r, cx + r, cy + r), fill=(255, 250, int(rng.integers(170, 250)))
    )
    image = glow(image, source, r * rng.uniform(1, 4), rng.uniform(1, 6))
    if rng.random() < 0.7:
        draw = ImageDraw.Draw(image)
        horizon = rng.uniform(0.55, 0.95) * size
        draw.rectangle((0, horizon, size, size), fill=random_colour(rng, 0, 0.3))
        clutter(draw, size, rng, 0.1)
    return image


def flames(size: int, rng: np.random.Generator) -> Image.Image:
    """Flames, often on candles."""
    image, draw = ground(size, rng, 0, 0.25)
    source = Image.new("RGB", (size, size))
    pen = ImageDraw.Draw(source)
    for _ in range(rng.integers(1, 6)):
        cx, base = rng.uniform(0.15, 0.85) * size, rng.uniform(0.5, 0.95) * size
        height, width = rng.uniform(0.1, 0.5) * size, rng.uniform(0.03, 0.12) * size
        if rng.random() < 0.5:
            draw.rectangle(
                (cx - width * 0.6, base, cx + width * 0.6, size),
                fill=random_colour(rng, 0.3, 0.9, 0.2),
            )
        for share, fill in (
            (1.0, (230, 90, 10)),
            (0.75, (255, 170, 40)),
            (0.5, (255, 235, 170)),
            (0.3, (255, 252, 240)),
        ):
            t = np.linspace(0, math.pi, 16)
            sway = width * 0.4 * np.sin(t * 2 + rng.uniform(0, 6))
            left = [
                (
                    float(cx + s - share * width * math.sin(a) * (1.2 - a / math.pi)),
                    float(base - share * height * a / math.pi),
                )
                for a, s in zip(t, sway, strict=True)
            ]
            right = [(float(2 * cx - x), y) for x, y in reversed(left)]
            pen.polygon(left + right, fill=fill)
    source = source.filter(ImageFilter.GaussianBlur(size * 0.006))
    return glow(image, source, rng.uniform(0.03, 0.1) * size, rng.uniform(0.4, 1.5))


def neon(size: int, rng: np.random.Generator) -> Image.Image:
    """Tubes and letters of neon light."""
    image, draw = ground(size, rng, 0, 0.2)
    clutter(draw, size, rng, 0.2)
    tube, core = (Image.new("RGB", (size, size)) for _ in range(2))
    pens = ImageDraw.Draw(tube), ImageDraw.Draw(core)
    for _ in range(rng.integers(1, 5)):
        colour, width = random_colour(rng, 0.9, 1, 1), int(rng.integers(3, 9))
        if rng.random() < 0.4:
            spot, height = rng.uniform(0, 0.6, 2) * size, rng.uniform(0.12, 0.4) * size
            font, letters = ImageFont.load_default(float(height)), word(rng)
            pens[0].text(tuple(spot), letters, fill=colour, font=font, stroke_width=2)
            pens[1].text(tuple(spot), letters, fill=(255, 250, 250), font=font)
            continue
        points = [
            tuple(p)
            for p in np.cumsum(rng.normal(0, 0.15, (5, 2)), 0) * size
            + rng.uniform(0.2, 0.8, 2) * size
        ]
        pens[0].line(points, fill=colour, width=width, joint="curve")
        pens[1].line(points, fill=(255, 250, 250), width=max(1, width // 2), joint="curve")
    image = glow(image, tube, rng.uniform(0.01, 0.06) * size, rng.uniform(1, 3))
    return ImageChops.lighter(image, core.filter(ImageFilter.GaussianBlur(1)))


def stars(size: int, rng: np.random.Generator) -> Image.Image:
    """Stars of all magnitudes."""
    image, draw = ground(size, rng, 0, 0.2)
    for _ in range(rng.integers(10, 160)):
        x, y = rng.uniform(0, size, 2)
        r = rng.exponential(0.6) + 0.4
        level = int(rng.integers(90, 256))
        draw.ellipse(
            (x - r, y - r, x + r, y + r), fill=(level, level, int(level * rng.uniform(0.8, 1)))
        )
    if rng.random() < 0.5:
        draw.rectangle((0, rng.uniform(0.6, 1) * size, size, size), fill=random_colour(rng, 0, 0.1))
    return image


def milky_way(size: int, rng: np.random.Generator) -> Image.Image:
    """Clouds of stars and nebulae in a night sky, pale without an edge, over a dark horizon."""
    sky = np.array(random_colour(rng, 0.03, 0.35, 0.7), np.float32)
    glare = np.array(random_colour(rng, 0.5, 1, 0.4), np.float32)
    clouds, dust = (relief(size, rng, (3, 6, 13, 30, 70, 150), 0.8) for _ in range(2))
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    angle, width = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.4)
    across = x * math.cos(angle) + y * math.sin(angle) + 0.05 * clouds - rng.uniform(-0.3, 0.3)
    band = np.exp(-((across / width) ** 2)) * (0.6 + 0.4 * clouds) * (dust > rng.uniform(-3, 0.3))
    level = (rng.uniform(0.4, 1.3) * band).clip(0, 1)
    # Stars are dense where the clouds are bright, which are stars themselves.
    dense = rng.random((size, size)) < rng.uniform(0.001, 0.02) * (0.15 + level)
    spots = Image.fromarray((dense * rng.integers(60, 256, (size, size))).astype(np.uint8))
    seen = np.asarray(spots.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 1.3))), np.float32)
    values = sky + (glare - sky) * level[..., None] + rng.uniform(2, 5) * seen[..., None]
    image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        ridge = [(k * size / 20, (0.8 + 0.05 * rng.normal()) * size) for k in range(21)]
        ImageDraw.Draw(image).polygon(
            [(0, size), *ridge, (size, size)], fill=random_colour(rng, 0, 0.12)
        )
    return image


def windows(size: int, rng: np.random.Generator) -> Image.Image:
    """Lit windows of houses at night, or a bright window seen from a dark room."""
    image, draw = ground(size, rng, 0, 0.4)
    clutter(draw, size, rng, 0.35)
    if rng.random() < 0.5:
        columns, rows = rng.integers(2, 9, 2)
        w, h = size / columns, size / rows
        gap = rng.uniform(0.15, 0.4)
        lit = random_colour(rng, 0.8, 1, 0.4)
        for i in range(columns):
            for j in range(rows):
                if rng.random() < 0.6:
                    fill = lit if rng.random() < 0.7 else light(rng)
                    draw.rectangle(
                        (
                            i * w + gap * w,
                            j * h + gap * h,
                            (i + 1) * w - gap * w,
                            (j + 1) * h - gap * h,
                        ),
                        fill=fill,
                    )
        return image
    x, y = rng.uniform(-0.1, 0.5, 2) * size
    w, h = rng.uniform(0.2, 0.8, 2) * size
    view, _ = ground(size, rng, 0.75, 1)
    frame = Image.new("L", (size, size))
    pen = ImageDraw.Draw(frame)
    pen.rectangle((x, y, x + w, y + h), fill=255)
    bar = max(2, int(rng.uniform(0.01, 0.03) * size))
    for k in range(1, rng.integers(2, 5)):
        pen.line((x + w * k / 3, y, x + w * k / 3, y + h), fill=0, width=bar)
    if rng.random() < 0.5:
        pen.line((x, y + h / 2, x + w, y + h / 2), fill=0, width=bar)
    image.paste(view, mask=frame.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))))
    return image


def screen(size: int, rng: np.random.Generator) -> Image.Image:
    """A screen that shines in a room."""
    image, draw = ground(size, rng, 0, 0.6)
    clutter(draw, size, rng, 0.5)
    shot = drawn.screenshot(size, rng)
    w, h = rng.uniform(0.35, 0.9, 2) * size
    shot = shot.resize((int(w), int(h)), Image.Resampling.BOX)
    framed = Image.new("RGB", (int(w) + 8, int(h) + 8), random_colour(rng, 0, 0.2, 0))
    framed.paste(shot, (4, 4))
    mask = Image.new("L", framed.size, 255)
    angle = rng.uniform(-12, 12)
    x, y = rng.uniform(-0.1, 0.4, 2) * size
    bicubic = Image.Resampling.BICUBIC
    image.paste(
        framed.rotate(angle, bicubic, True), (int(x), int(y)), mask.rotate(angle, bicubic, True)
    )
    return image


def sky(size: int, rng: np.random.Generator) -> Image.Image:
    """A bright sky above mountains, hills and roofs, behind twigs and wires."""
    image = white.clouds(size, rng)
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.3, 0.9) * size
    fill = random_colour(rng, 0, 0.5)
    steps = int(rng.integers(2, 14))
    heights = rng.uniform(0, 0.3, steps + 1) * (rng.random(steps + 1) < 0.7)
    if rng.random() < 0.5:  # ragged, as rocks and woods are
        ragged = np.cumsum(rng.normal(0, 0.006, 200)) + rng.normal(0, 0.004, 200)
        heights = np.interp(np.linspace(0, 1, 200), np.linspace(0, 1, steps + 1), heights) + ragged
    outline = zip(np.linspace(0, size, len(heights)), horizon - heights * size, strict=True)
    land = Image.new("L", (size, size))
    corners = [(0, size), *((float(x), float(y)) for x, y in outline), (size, size)]
    ImageDraw.Draw(land).polygon(corners, fill=255)
    image.paste(white.snow(size, rng) if rng.random() < 0.5 else fill, mask=land)
    for _ in range(rng.integers(0, 8)):  # twigs and wires against the sky
        points = [
            tuple(p)
            for p in np.cumsum(rng.normal(0, 0.1, (6, 2)), 0) * size + rng.uniform(0, 1, 2) * size
        ]
        draw.line(points, fill=fill, width=int(rng.integers(1, 5)))
    return image
