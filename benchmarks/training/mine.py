"""Draw what must stay until weights have spoilt enough of it, and keep that as photographs.

    python benchmarks/training/mine.py fast.onnx -o photos/bare/mistaken --count 1000

Weights leave nearly all of what `unshine.synth.stay` draws as it is, and spoil one in thirty: a
lone lamp, a small moon, a white saucer. A training meets those too rarely to learn from them. A
folder called `bare` gets no glare, so that what is kept there says one thing only: leave it.
"""

from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from unshine import engines, pixels
from unshine.synth import stay

SIZE = 192
"""Height and width: crops of 128² differ."""
BRIGHT, SPOILT = 0.75, 3.0
"""Display value from which a pixel is bright, and levels by which those change in what is kept."""


def main(
    weights: Annotated[Path, typer.Argument(help="ONNX or safetensors.")],
    output: Annotated[Path, typer.Option("-o", help="Folder for PNG files.")],
    number: Annotated[int, typer.Option("--count", help="How many to keep.")] = 1000,
    kind: Annotated[list[str] | None, typer.Option(help="What to draw; all kinds.")] = None,
    bias: Annotated[float, typer.Option(help="Of the map's logits.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
) -> None:
    """Keep what is spoilt."""
    engine = engines.load("onnx", "cpu", weights, threads=1)
    network: Any = engine.network
    output.mkdir(parents=True, exist_ok=True)
    kinds = kind or list(stay.KINDS)
    kept = 0
    for index in count():
        name = kinds[index % len(kinds)]
        drawn = stay.make(name, SIZE, np.random.default_rng((seed, index)))
        image = drawn.transpose(2, 0, 1)[None]
        found = engines.ask(engine, image, ("ungated", "logits"))
        highlight = network.highlight_map(found["logits"] + np.float32(bias))
        change = np.abs(network.blend(image, found["ungated"], highlight) - image)
        bright = image.max(1) > BRIGHT
        if not bright.any() or 255 * float(change.mean(1)[bright].mean()) < SPOILT:
            continue
        path = output / f"{name.replace(' ', '-')}-{seed}-{index}.png"
        Image.fromarray(pixels.from_display(drawn, np.dtype(np.uint8))).save(path)
        kept += 1
        if kept == number:
            break
    typer.echo(f"{kept} of {index + 1} drawings are spoilt; they lie in {output}.")


if __name__ == "__main__":
    typer.run(main)
