"""Train on tuples of three sizes in turn, as the shipped weights were since section 7 of their log.

    python benchmarks/training/mixed_sizes.py -o runs/mixed --minutes 60 --pool pool --photos photos

Trained on 128² alone, weights do three times as much harm to whole photographs
(docs/training-log.md, section 14). Larger tuples are fewer, so that a step costs the same. Ctrl-C
saves; `--resume runs/mixed/checkpoint` goes on.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from unshine.layers import Layers
from unshine.training import loop
from unshine.training.recipes import UNSHINE
from unshine.training.settings import Settings
from unshine.training.torch import Run, make_fabric
from unshine.training.torch_data import stream

SIZES = {128: (4, 4, 8), 192: (2, 2, 4), 256: (1, 1, 2)}
"""Height and width; of a batch: what must stay, scenes of the pool, photographs."""
CHANCES = (0.4, 0.25, 0.35)
TIMES, KEPT = 3, 60
"""How often a batch is trained on, and how many wait for that: tuples cost a processor as much to
make as to train on."""


def mirrored(truth: Layers[Any]) -> Layers[Any]:
    """Mirror all layers of a batch."""
    return Layers(**{name: x.flip(-1) for name, x in truth.given().items()})


def main(
    output: Annotated[Path, typer.Option("-o", help="Folder for weights and logs.")],
    minutes: Annotated[float, typer.Option(help="How long to train.")],
    pool: Annotated[Path, typer.Option(help="A pool of scenes, of unshine render --pool.")],
    photos: Annotated[Path, typer.Option(help="A folder of photographs.")],
    rate: Annotated[float, typer.Option(help="Learning rate at its highest.")] = 1.5e-4,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
    init: Annotated[Path | None, typer.Option(help="Weights to start from.")] = None,
    resume: Annotated[Path | None, typer.Option(help="A checkpoint to go on from.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A stage to leave as it is.")] = None,
) -> None:
    """Train."""
    torch.set_flush_denormal(True)
    runs = [
        Settings(
            output, minutes, data=("stay",), pool=pool, photos=photos,
            share=share, seed=seed, init=init, resume=resume, workers=1,
            recipe=replace(UNSHINE, size=size, batch=sum(share), rate=rate),
        )
        for size, share in SIZES.items()
    ]  # fmt: skip
    fabric = make_fabric(runs[0])
    fabric.seed_everything(seed, verbose=False)
    run = Run(runs[0], fabric)
    for stage in keep or ():
        getattr(run.network, stage).requires_grad_(False)
    streams = [stream(settings, fabric.device, run.step) for settings in runs]

    def batches() -> Iterator[Any]:
        rng = random.Random(f"{seed} {run.step}")
        kept: list[list[Any]] = []
        while True:
            if len(kept) < KEPT:
                kept.append([next(rng.choices(streams, CHANCES)[0]), TIMES])
            which = rng.randrange(len(kept))
            kept[which][1] -= 1
            batch, left = kept[which] if kept[which][1] else kept.pop(which)
            yield mirrored(batch) if left % 2 else batch

    try:
        loop.run_loop(run, batches())
    finally:
        for one in streams:
            one.close()


if __name__ == "__main__":
    typer.run(main)
