"""Paint pale patches into photographs, or stick labels on them, and keep what weights spoil of it.

    python benchmarks/patch.py fast.onnx photos/things -o photos/bare/pale --draw 2400
    python benchmarks/patch.py fast.onnx photos/things -o photos/bare/labels --paint labels

As `mine.py`, but on real ground: pith, fat, foam, membranes, stickers, price cards on things as a
camera sees them, in the things' own light. They stay what they are; a network that takes them for
gloss, as it takes the pith of a photographed orange, is shown them again.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from operating_curve import answer
from PIL import Image, ImageFilter

from unshine import engines
from unshine.pixels import Floats
from unshine.synth.photographs import Bytes, crops, is_shiny, stuck
from unshine.synth.stay.brushes import own_light, relief
from unshine.synth.stay.ragged import CELLS

SIZE = 256
"""Height and width."""
SPOILT = 3.5
"""RMS change, in levels, of what is kept."""


def main(
    weights: Annotated[Path, typer.Argument(help="ONNX or safetensors.")],
    folders: Annotated[list[Path], typer.Argument(help="Photographs of matte things, JPEG.")],
    output: Annotated[Path, typer.Option("-o", help="Folder for PNG files.")],
    paint: Annotated[Literal["pale", "labels"], typer.Option(help="What to paint.")] = "pale",
    draw: Annotated[int, typer.Option(help="How many to paint.")] = 2_400,
    bias: Annotated[float, typer.Option(help="Of the map's logits.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
) -> None:
    """Keep what is spoilt."""
    engine = engines.load("onnx", "cpu", weights, threads=1)
    output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    found = [path for folder in folders for path in sorted(folder.glob("*.jpg"))]
    matte = [path for path in found if not is_shiny(path)]
    if not matte:
        raise typer.BadParameter("The folders hold no photographs of matte things, .jpg.")
    for index in range(draw):
        crop = next(crops(matte[rng.integers(len(matte))], SIZE, 1, rng))
        painted = patched(crop, rng) if paint == "pale" else stuck(crop, rng)
        image = painted / np.float32(255)
        if answer(engine, image, image).change(bias) > SPOILT:
            Image.fromarray(painted).save(output / f"{paint}-{seed}-{index:04}.png")


def patched(image: Bytes, rng: np.random.Generator) -> Bytes:
    """Paint cream or white into a photograph: in places, along lines, or all over."""
    size = image.shape[0]
    field = relief(size, rng, CELLS[: rng.integers(4, 8)], rng.uniform(0.4, 1.2))
    kind = rng.random()
    if kind < 0.5:
        field = field + _places(size, rng)
    elif kind < 0.75:
        field = field + _lines(size, rng)
    else:
        field = field - rng.uniform(0.3, 1.8)
    share = (field / rng.uniform(0.1, 0.5)).clip(0, 1)[..., None] * rng.uniform(0.85, 1)
    # The patch lies in the thing's own light, and has its grain.
    grey = Image.fromarray(image).convert("L")
    fine = np.asarray(grey.filter(ImageFilter.GaussianBlur(3)), np.float32)
    detail = np.asarray(grey, np.float32) - fine
    light = own_light(grey, rng)
    grain = 1 - rng.uniform(0, 0.25) * relief(size, rng, CELLS, 0.2)[..., None]
    cream = np.array([1, rng.uniform(0.9, 1), rng.uniform(0.7, 0.98)], np.float32)
    pale = cream * 255 * rng.uniform(0.75, 1) * grain * light
    pale = pale + rng.uniform(0, 1) * detail[..., None]
    return (image + share * (pale - image)).clip(0, 255).astype(np.uint8)


def _places(size: int, rng: np.random.Generator) -> Floats:
    """High in one to three round places."""
    x, y = _grid(size)
    places = rng.uniform((0.1, 0.1, 0.05), (0.9, 0.9, 0.3), (rng.integers(1, 4), 3))
    far = [np.hypot(x - left, y - top) / reach for left, top, reach in places]
    return np.asarray(2.5 - 2 * np.min(far, 0), np.float32)


def _lines(size: int, rng: np.random.Generator) -> Floats:
    """High along three to nine rays, some from one centre: membranes, veins, rims."""
    x, y = _grid(size)
    least = np.full((size, size), 9, np.float32)
    left, top = rng.uniform(0.2, 0.8, 2)
    for _ in range(rng.integers(3, 10)):
        angle = rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.5:
            left, top = rng.uniform(0.1, 0.9, 2)
        beside = np.abs((x - left) * np.sin(angle) - (y - top) * np.cos(angle))
        ahead = (x - left) * np.cos(angle) + (y - top) * np.sin(angle)
        beside = beside / rng.uniform(0.005, 0.03)
        least = np.minimum(least, beside + 30 * (-ahead).clip(0, None))
    return 1.5 - 2 * least


def _grid(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    return x, y


if __name__ == "__main__":
    typer.run(main)
