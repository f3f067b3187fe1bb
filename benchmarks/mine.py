"""Draw what must stay, and keep as photographs what weights spoil of it.

    python benchmarks/mine.py fast.onnx -o photos/bare/mistaken --draw 20000

Weights leave nearly all of what `unshine.synth.stay` draws as it is, and spoil one in thirty: a
lone lamp, a small moon, a white saucer. A training meets those too rarely to learn from them. A
folder called `bare` gets no glare, so that what is kept there says one thing only: leave it.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from operating_curve import answer, stay_changes
from PIL import Image

from unshine import engines, pixels
from unshine.synth import stay

SIZE = 192
"""Height and width: crops of 128² differ."""
SPOILT = 3.0
"""Levels by which what is bright changes in what is kept."""


def main(
    weights: Annotated[Path, typer.Argument(help="ONNX or safetensors.")],
    output: Annotated[Path, typer.Option("-o", help="Folder for PNG files.")],
    draw: Annotated[int, typer.Option(help="How many to draw.")] = 20_000,
    kind: Annotated[list[str] | None, typer.Option(help="What to draw; all kinds.")] = None,
    bias: Annotated[float, typer.Option(help="Of the map's logits.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
) -> None:
    """Keep what is spoilt."""
    engine = engines.load("onnx", "cpu", weights, threads=1)
    output.mkdir(parents=True, exist_ok=True)
    kinds = kind or list(stay.KINDS)
    for index in range(draw):
        name = kinds[index % len(kinds)]
        drawn = stay.make(name, SIZE, np.random.default_rng((seed, index)))
        changes = stay_changes([(name, answer(engine, drawn, drawn))], bias)
        if changes.get(name, 0) >= SPOILT:
            path = output / f"{name.replace(' ', '-')}-{seed}-{index}.png"
            Image.fromarray(pixels.from_display(drawn, np.dtype(np.uint8))).save(path)


if __name__ == "__main__":
    typer.run(main)
