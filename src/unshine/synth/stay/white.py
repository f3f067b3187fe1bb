"""What is simply white: flowers, china, shapes, snow, collars, leaves, faces, paper, pith."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from unshine.synth.stay.brushes import (
    Colour,
    blob,
    clutter,
    foliage,
    ground,
    light,
    polar,
    random_colour,
    relief,
    shaded,
    write,
)


def daisies(size: int, rng: np.random.Generator) -> Image.Image:
    """White or pale flowers with yellow hearts over green."""
    image, draw = ground(size, rng, 0.05, 0.6)
    for _ in range(rng.integers(5, 40)):
        x, y = rng.uniform(0, size, 2)
        draw.line(
            (x, y, x + rng.normal() * 30, y + rng.uniform(20, 90)),
            fill=(30, int(rng.integers(60, 150)), 30),
            width=3,
        )
    pink = rng.random() < 0.2
    for _ in range(rng.integers(1, 9)):
        cx, cy, r = (*rng.uniform(0, 1, 2) * size, rng.uniform(0.05, 0.32) * size)
        count, tilt = int(rng.integers(5, 22)), rng.uniform(0.5, 1)
        level = int(rng.integers(205, 256))
        fill = (level, int(level * 0.8), int(level * 0.9)) if pink else (level, level, level)
        for k in range(count):
            angle = 2 * math.pi * k / count + rng.normal() * 0.05
            tip = cx + r * math.cos(angle), cy + tilt * r * math.sin(angle)
            side = 2.2 / count
            points = [
                (cx + s * r * math.cos(angle + d), cy + s * tilt * r * math.sin(angle + d))
                for s, d in ((0.6, -side), (1, 0), (0.6, side))
            ]
            shade = tuple(int(v * rng.uniform(0.86, 1)) for v in fill)
            draw.polygon([(cx, cy), points[0], tip, points[2]], fill=shade)
            draw.line((cx, cy, *tip), fill=tuple(int(v * 0.9) for v in shade), width=1)
        heart = 0.22 * r
        draw.ellipse(
            (cx - heart, cy - heart * tilt, cx + heart, cy + heart * tilt),
            fill=(235, int(rng.integers(150, 200)), 20),
        )
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))


def blossoms(size: int, rng: np.random.Generator) -> Image.Image:
    """Small white flowers strewn over a lawn or a bush, the far ones out of focus."""
    image = foliage(size, rng)
    typical = size * math.exp(rng.uniform(math.log(0.012), math.log(0.12)))
    count, heart = int(rng.integers(4, 9 if rng.random() < 0.5 else 18)), rng.random() < 0.75
    tint = np.array([1, rng.uniform(0.85, 1), rng.uniform(0.9, 1)])
    for blurred in (rng.uniform(2, 9), rng.uniform(0.3, 2)):
        # White below its transparency, so that blurring darkens no edge.
        layer = Image.new("RGBA", (size, size), (235, 235, 235, 0))
        draw = ImageDraw.Draw(layer)
        for _ in range(rng.integers(2, 40)):
            x, y, r = (*rng.uniform(0, 1, 2) * size, typical * rng.uniform(0.6, 1.5))
            tilt, turn, level = rng.uniform(0.35, 1), rng.uniform(0, 6.3), rng.uniform(195, 255)
            for k in range(count):
                angle = turn + 2 * math.pi * k / count
                # Each petal catches a little more or less light.
                fill = tuple(int(v) for v in level * tint * rng.uniform(0.82, 1))
                cx, cy = x + 0.6 * r * math.cos(angle), y + 0.6 * tilt * r * math.sin(angle)
                half = r * max(0.25, 1.6 / count)
                draw.ellipse((cx - half, cy - tilt * half, cx + half, cy + tilt * half), fill)
            if heart:
                half = r * rng.uniform(0.2, 0.35)
                yellow = (int(rng.integers(190, 256)), int(rng.integers(140, 220)), 30)
                draw.ellipse((x - half, y - tilt * half, x + half, y + tilt * half), yellow)
        layer = layer.filter(ImageFilter.GaussianBlur(blurred))
        image.paste(layer, (0, 0), layer)
    return image


def china(size: int, rng: np.random.Generator) -> Image.Image:
    """Plates, cups, bowls, eggs and balls: white rims and bodies beside strong colours."""
    image, draw = ground(size, rng, 0.1, 0.9)
    clutter(draw, size, rng, 0.8)
    for _ in range(rng.integers(1, 5)):
        layer = Image.new("RGBA", (size, size))
        draw = ImageDraw.Draw(layer)
        x, y, r = (*rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0.05, 0.5) * size)
        tilt, white = rng.uniform(0.3, 1), light(rng)
        if rng.random() < 0.3:  # a cup below its rim
            body = white if rng.random() < 0.5 else random_colour(rng, 0.3, 1, 1)
            draw.ellipse((x - 0.8 * r, y + 0.3 * r, x + 0.8 * r, y + 1.7 * r), body)
            width = int(0.16 * r) + 1
            draw.ellipse((x + 0.5 * r, y + 0.3 * r, x + 1.4 * r, y + r), outline=body, width=width)
        # Rims and bands from without. A colour is the last: white inside a colour looks like gloss.
        edge, count = 1.0, int(rng.integers(1, 5))
        for k in range(count):
            bright = (k < count - 1 and rng.random() < 0.7) or (count == 1 and r > 0.15 * size)
            fill = white if bright else random_colour(rng, 0.2, 1, 0.9)
            draw.ellipse(
                (x - edge * r, y - edge * tilt * r, x + edge * r, y + edge * tilt * r), fill
            )
            edge *= rng.uniform(0.65, 0.97)
        layer = layer.rotate(rng.uniform(-25, 25), Image.Resampling.BICUBIC, center=(x, y))
        image.paste(shaded(layer, rng), (0, 0), layer)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))


def shapes(size: int, rng: np.random.Generator) -> Image.Image:
    """White shapes with sharp edges on one colour or several: signs, splashes, toys, white animals.

    Flat or evenly shaded, outlined or not, of a white that never clips: that is what tells them
    from gloss. Where it did, hard glints on dark, saturated things were left alone, too.
    """
    image, draw = ground(size, rng, 0.05, 0.8)
    clutter(draw, size, rng, 0.7)
    layer = Image.new("RGBA", (size, size))
    draw = ImageDraw.Draw(layer)
    red, green, blue = (min(x, 231) for x in light(rng))
    white, count = (red, green, blue), int(rng.integers(1, 40))
    typical = size * rng.uniform(0.05, 0.6) / count**0.4
    outline = random_colour(rng, 0, 0.2) if rng.random() < 0.4 else None
    for _ in range(count):
        x, y, r = (*rng.uniform(0, 1, 2) * size, typical * math.exp(rng.normal() * 0.5))
        r = max(r, 3.0)  # Pillow cannot draw an outline wider than a box
        kind, box = rng.integers(6), (x - r, y - 0.8 * r, x + r, y + 0.8 * r)
        if kind == 0:
            draw.ellipse(box, white, outline, 3)
        elif kind == 1:
            draw.polygon(blob(x, y, r, rng, 0.6), white, outline)
        elif kind == 2:
            turn, inner, points = rng.uniform(0, 6.3), rng.uniform(0.3, 0.9), rng.integers(3, 8) * 2
            steps = [
                (turn + 2 * math.pi * k / points, inner if k % 2 else 1) for k in range(points)
            ]
            corners = [(x + s * r * math.cos(a), y + s * r * math.sin(a)) for a, s in steps]
            draw.polygon(corners, white, outline)
        elif kind == 3:
            draw.rounded_rectangle(box, 0.3 * r, white, outline, 3)
        elif kind == 4:
            draw.arc(
                box, rng.uniform(0, 360), rng.uniform(360, 700), white, int(rng.integers(3, 16))
            )
        else:
            write(draw, x - r, y - r, max(8, r), white, rng, 1)
    image.paste(shaded(layer, rng), (0, 0), layer)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))


def stripes(size: int, rng: np.random.Generator) -> Image.Image:
    """White stripes, bent and shaded, beside dark or coloured ones: cloth, facades, sweets."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle, bend = rng.uniform(0, 2 * math.pi), rng.normal(size=2) * rng.choice([0, 0.1, 0.4])
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle) + bend[0] * np.sin(4 * along + bend[1])
    phase = (across * rng.uniform(2, 14)) % 1
    dark = np.array(random_colour(rng, 0.02, 0.8, 0.7), np.float32)
    # Either all of one level, or shaded across each stripe as if it were round or folded.
    level = 1 - rng.choice([0, rng.uniform(0, 0.6)]) * np.abs(2 * phase - rng.uniform(0.5, 1.5))
    white = np.array(light(rng), np.float32) * level.clip(0, 1)[..., None]
    values = np.where((phase < rng.uniform(0.1, 0.8))[..., None], white, dark)
    image = shaded(Image.fromarray(values.clip(0, 255).astype(np.uint8)), rng)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))


def snow(size: int, rng: np.random.Generator) -> Image.Image:
    """Patches of snow, foam, lichen or paint on rough ground, with sharp ragged edges."""
    rough = relief(size, rng, (4, 9, 20, 45, 100), 0.6)
    lit = 1 + rng.uniform(0.2, 1) * 6 * (rough - np.roll(rough, 2, 0)).clip(-0.1, 0.1)
    stone = np.array(random_colour(rng, 0.15, 0.6, 0.4), np.float32) * lit[..., None]
    white = np.array(light(rng), np.float32) * (1 - 0.3 * (1 - lit).clip(0, 1))[..., None]
    cover = ((rough - rng.uniform(0.3, 1.8)) / rng.uniform(0.02, 0.3)).clip(0, 1)[..., None]
    values = stone + (white - stone) * cover
    return shaded(Image.fromarray(values.clip(0, 255).astype(np.uint8)), rng)


def shallows(size: int, rng: np.random.Generator) -> Image.Image:
    """Sand below water, pale between dark weed, in the net that waves draw with light."""
    bed, ripples = relief(size, rng, (3, 7, 15, 35, 80), 0.9), relief(size, rng, (6, 14, 30), 0.5)
    water = np.array(random_colour(rng, 0.4, 0.95, 1), np.float32) / 255
    weed = np.array(random_colour(rng, 0.05, 0.4, 0.6), np.float32)
    sand = np.array(light(rng), np.float32) * rng.uniform(0.7, 1)
    edge = rng.uniform(0.05, 1.2)
    cover = ((bed - rng.uniform(-1, 1.2)) / edge).clip(0, 1)[..., None]
    net = np.exp(-np.abs(ripples) * rng.uniform(3, 12))[..., None]
    grain = 1 + rng.uniform(0, 0.12) * rng.standard_normal((size, size, 1)).astype(np.float32)
    # Deeper water is more of its own colour.
    depth = rng.uniform(0.1, 1) * (0.7 + 0.3 * np.tanh(relief(size, rng, (2, 4), 1)))[..., None]
    seen = (weed + (sand - weed) * cover) * grain * (1 + rng.uniform(0, 0.5) * (net - 0.4))
    values = seen * (1 - depth + depth * water)
    image = shaded(Image.fromarray(values.clip(0, 255).astype(np.uint8)), rng)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2.5)))


def collars(size: int, rng: np.random.Generator) -> Image.Image:
    """White collars, cuffs and stripes on dark cloth, under a face."""
    image, draw = ground(size, rng, 0.1, 0.8)
    if rng.random() < 0.3:
        image = image.convert("L").convert("RGB")
        draw = ImageDraw.Draw(image)
    cx, neck, cloth = (
        rng.uniform(0.3, 0.7) * size,
        rng.uniform(0.25, 0.55) * size,
        random_colour(rng, 0.02, 0.45),
    )
    skin = tuple(int(x * rng.uniform(0.4, 1)) for x in (240, 195, 165))
    w = rng.uniform(0.12, 0.3) * size
    draw.polygon(
        [
            (cx - 3 * w, size),
            (cx - 2.2 * w, neck + w),
            (cx - w, neck),
            (cx + w, neck),
            (cx + 2.2 * w, neck + w),
            (cx + 3 * w, size),
        ],
        fill=cloth,
    )
    draw.rectangle((cx - 0.6 * w, neck - w, cx + 0.6 * w, neck + 0.3 * w), fill=skin)
    draw.ellipse((cx - w, neck - 3 * w, cx + w, neck - 0.5 * w), fill=skin)
    white, deep = light(rng), rng.uniform(0.8, 2.5) * w
    for side in (-1, 1):
        draw.polygon(
            [
                (cx + side * 0.9 * w, neck - 0.1 * w),
                (cx, neck + deep),
                (cx + side * 1.1 * w, neck + 0.9 * w),
            ],
            fill=white,
        )
    if rng.random() < 0.5:
        draw.polygon(
            [(cx - 0.3 * w, neck + 0.4 * w), (cx + 0.3 * w, neck + 0.4 * w), (cx, size)], fill=white
        )
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))


def rims(size: int, rng: np.random.Generator) -> Image.Image:
    """Saturated petals and fabrics with a white rim, stripes of white between colours."""
    image, draw = ground(size, rng, 0.1, 0.7)
    for _ in range(rng.integers(2, 10)):
        cx, cy = rng.uniform(0, 1, 2) * size
        shape = blob(cx, cy, rng.uniform(0.1, 0.4) * size, rng, 0.5)
        centre = np.array([cx, cy])
        draw.polygon(shape, fill=light(rng))
        share = rng.uniform(0.75, 0.96)
        inner = [tuple(float(v) for v in centre + share * (np.array(p) - centre)) for p in shape]
        draw.polygon(inner, fill=random_colour(rng, 0.3, 1, 1))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))


def leaves(size: int, rng: np.random.Generator) -> Image.Image:
    """Leaves against the light: bright yellow green with lighter veins."""
    image, draw = ground(size, rng, 0, 0.5)
    for _ in range(rng.integers(3, 14)):
        cx, cy, r = (*rng.uniform(0, 1, 2) * size, rng.uniform(0.1, 0.4) * size)
        angle = rng.uniform(0, 2 * math.pi)
        bright = rng.random() < 0.6
        fill = (
            (int(rng.integers(150, 240)), int(rng.integers(200, 256)), int(rng.integers(30, 130)))
            if bright
            else (20, int(rng.integers(50, 120)), 20)
        )
        t = np.linspace(0, math.pi, 14)
        half = np.sin(t) * rng.uniform(0.25, 0.5)
        along = -np.cos(t)
        outline = np.concatenate([np.stack([along, half], 1), np.stack([along, -half], 1)[::-1]])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        draw.polygon([tuple(p) for p in outline @ turn.T * r + (cx, cy)], fill=fill)
        vein = tuple(min(255, int(v * 1.15) + 10) for v in fill)
        ends = np.array([[-1, 0], [1, 0]]) @ turn.T * r + (cx, cy)
        draw.line([tuple(p) for p in ends], fill=vein, width=2)
        for k in np.linspace(-0.6, 0.6, 5):
            for side in (-1, 1):
                twig = np.array([[k, 0], [k + 0.25, side * 0.28]]) @ turn.T * r + (cx, cy)
                draw.line([tuple(p) for p in twig], fill=vein, width=1)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))


def faces(size: int, rng: np.random.Generator) -> Image.Image:
    """Eyes with catchlights, and teeth, in skin of any colour."""
    skin = np.array((240, 195, 165)) * rng.uniform(0.25, 1)
    image = Image.new("RGB", (size, size), tuple(int(x) for x in skin))
    draw = ImageDraw.Draw(image)
    scale = rng.uniform(0.15, 0.7) * size
    for side in (-1, 1):
        cx, cy = (
            size * 0.5 + side * scale * 0.55 + rng.normal() * 0.03 * size,
            rng.uniform(0.3, 0.4) * size,
        )
        w, h = 0.32 * scale, rng.uniform(0.12, 0.2) * scale
        draw.ellipse((cx - w, cy - h, cx + w, cy + h), fill=(235, 230, 228))
        iris, pupil = 0.95 * h, 0.45 * h
        draw.ellipse(
            (cx - iris, cy - iris, cx + iris, cy + iris), fill=random_colour(rng, 0.1, 0.6)
        )
        draw.ellipse((cx - pupil, cy - pupil, cx + pupil, cy + pupil), fill=(8, 8, 8))
        spot = rng.uniform(0.12, 0.3) * h
        x, y = cx + rng.uniform(-0.5, 0.5) * h, cy - rng.uniform(0, 0.6) * h
        draw.ellipse((x - spot, y - spot, x + spot, y + spot), fill=(255, 255, 255))
        draw.arc(
            (cx - 1.3 * w, cy - 2.2 * h, cx + 1.3 * w, cy + h),
            200,
            340,
            fill=random_colour(rng, 0, 0.3),
            width=4,
        )
    if rng.random() < 0.7:
        cx, cy, w, h = size * 0.5, size * 0.72, 0.5 * scale, rng.uniform(0.12, 0.25) * scale
        draw.ellipse((cx - w, cy - h, cx + w, cy + h), fill=(150, 30, 40))
        count = int(rng.integers(4, 10))
        for k in range(count):
            x = cx - 0.8 * w + 1.6 * w * k / count
            level = int(rng.integers(215, 256))
            draw.rounded_rectangle(
                (x, cy - 0.6 * h, x + 1.5 * w / count, cy + 0.3 * h),
                4,
                fill=(level, level, level - 10),
            )
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))


def clouds(size: int, rng: np.random.Generator) -> Image.Image:
    """Clouds or snow: soft white over blue or grey, softly shaded."""
    field = relief(size, rng, (3, 6, 12, 24, 48, 96), rng.uniform(0.7, 1.1))
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if rng.random() < 0.4:  # in one place only
        cx, cy = rng.uniform(0.1, 0.9, 2)
        away = ((x - cx) / rng.uniform(0.2, 0.7)) ** 2 + ((y - cy) / rng.uniform(0.1, 0.5)) ** 2
        field = field - 2 * away.clip(0, 4)
    field = (field - field.min()) / np.ptp(field)
    cover = np.clip((field - rng.uniform(0.2, 0.6)) / rng.uniform(0.1, 0.5), 0, 1)[..., None]
    snow = rng.random() < 0.35
    blue = rng.integers((40, 100, 170), (150, 190, 250)) * rng.uniform(0.5, 1)
    below = np.array(random_colour(rng, 0.1, 0.7) if snow else blue, np.float32)
    if not snow:  # a sky is paler above the horizon
        below = below + (235 - below) * (rng.uniform(0, 0.5) * y**2)[..., None]
    shade = 1 - rng.uniform(0, 0.35) * np.roll(field, 6, 0)[..., None]
    white = np.array([rng.integers(232, 256)] * 3) * shade
    return Image.fromarray((below + (white - below) * cover).clip(0, 255).astype(np.uint8))


def paper(size: int, rng: np.random.Generator) -> Image.Image:
    """Sheets of paper and cards with a few lines of print."""
    image, _ = ground(size, rng, 0.05, 0.8)
    for _ in range(rng.integers(1, 5)):
        w, h = (int(v) for v in rng.uniform(0.25, 0.9, 2) * size)
        level = int(rng.integers(200, 256))
        sheet = Image.new("RGB", (w, h), (level, level, int(level * rng.uniform(0.9, 1))))
        draw = ImageDraw.Draw(sheet)
        ink, height, y = random_colour(rng, 0, 0.6, 0.2), rng.uniform(0.03, 0.1) * size, 0.08 * h
        while y < 0.9 * h:
            if rng.random() < 0.8:
                write(draw, 0.08 * w, y, height, ink, rng, int(rng.integers(1, 8)))
            else:
                draw.rectangle(
                    (0.08 * w, y, 0.6 * w, y + 2.5 * height), fill=random_colour(rng, 0.2, 0.9)
                )
            y += height * rng.uniform(1.2, 3)
        angle, bicubic = rng.uniform(-40, 40), Image.Resampling.BICUBIC
        mask = Image.new("L", (w, h), 255).rotate(angle, bicubic, True)
        left, top = (int(v) for v in rng.uniform(-0.3, 0.6, 2) * size)
        image.paste(sheet.rotate(angle, bicubic, True), (left, top), mask)
    return image


def fruit(size: int, rng: np.random.Generator) -> Image.Image:
    """Cut fruit: pith, core and skins of segments, white or pale in strongly coloured flesh."""
    image, draw = ground(size, rng, 0.02, 0.6)
    clutter(draw, size, rng, 0.6)
    for _ in range(rng.integers(1, 5)):
        x, y, r = (*rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0.15, 0.6) * size)
        rind, pale = random_colour(rng, 0.3, 1, 1), rng.uniform(175, 256)
        # Rind below its transparency, so that blurring darkens no edge.
        layer = Image.new("RGBA", (size, size), (*rind, 0))
        draw = ImageDraw.Draw(layer)
        white = int(pale), int(pale * rng.uniform(0.9, 1)), int(pale * rng.uniform(0.75, 1))
        draw.polygon(blob(x, y, r, rng, 0.04), rind)
        draw.polygon(blob(x, y, r * rng.uniform(0.88, 0.97), rng, 0.04), white)
        _flesh(draw, x, y, r * rng.uniform(0.75, 0.9), white, rng)
        core = rng.uniform(0.05, 0.3) * r
        draw.polygon(blob(x, y, core, rng, rng.uniform(0, 0.5)), white)
        for _ in range(rng.integers(0, 14)):  # what is torn out of the core
            angle, length = rng.uniform(0, 6.3), core * rng.uniform(1, 1.7)
            tip = polar(x, y, length, angle)
            draw.line((x, y, *tip), white, 1 + int(core * rng.uniform(0.05, 0.25)))
        layer = layer.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))
        if rng.random() < 0.5:  # a half or a wedge
            turn = rng.uniform(0, 6.3)
            far = [polar(x, y, 3 * r, turn + step) for step in (0, 1, 2)]
            near = polar(x, y, -rng.uniform(-0.1, 0.4) * r, turn + 1)
            kept = Image.new("L", layer.size)
            ImageDraw.Draw(kept).polygon([near, *far], 255)
            layer.putalpha(ImageChops.darker(layer.getchannel("A"), kept))
        image.paste(shaded(layer, rng), (0, 0), layer)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))


def _flesh(
    draw: ImageDraw.ImageDraw, x: float, y: float, r: float, white: Colour, rng: np.random.Generator
) -> None:
    """Flesh of one hue, streaked from the middle outwards, in segments or with seeds in a ring."""
    flesh = np.array(random_colour(rng, 0.5, 1, 1))
    count, streaks = int(rng.integers(6, 14)), int(rng.integers(60, 200))
    draw.polygon(blob(x, y, r, rng, 0.03), tuple(int(v) for v in flesh))
    for _ in range(streaks):
        angle, fill = rng.uniform(0, 6.3), flesh * rng.uniform(0.75, 1.15)
        start, end = r * rng.uniform(0.1, 0.7), r * rng.uniform(0.6, 0.98)
        ends = [polar(x, y, distance, angle) for distance in (start, end)]
        draw.line(ends, tuple(int(min(v, 255)) for v in fill), 1 + int(r * rng.uniform(0.01, 0.05)))
    for k in range(count if rng.random() < 0.7 else 0):
        angle = 2 * math.pi * k / count + rng.normal() * 0.08
        tip = polar(x, y, r, angle)
        draw.line((x, y, *tip), white, 1 + int(r * rng.uniform(0.005, 0.05)))
    for _ in range(rng.integers(8, 40) if rng.random() < 0.3 else 0):
        angle, at, half = rng.uniform(0, 6.3), r * rng.uniform(0.35, 0.55), r * 0.035
        cx, cy = polar(x, y, at, angle)
        draw.ellipse((cx - half, cy - half, cx + half, cy + half), (25, 20, 15))
