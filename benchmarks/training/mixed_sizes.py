"""Train on tuples of three sizes in turn, as the shipped weights were since section 7 of their log.

    python benchmarks/training/mixed_sizes.py -o runs/mixed --minutes 60 --pool pool --photos photos

Trained on 128² alone, weights do three times as much harm to whole photographs
(docs/training-log.md, section 14). Larger tuples are fewer, so that a step costs the same. Ctrl-C
saves; `--resume runs/mixed/checkpoint` goes on.

    ... --init a.safetensors --picture-of a.safetensors --map-of b.safetensors

Weights that get better at one thing lose another. Teachers hold both: a part of what is learnt is
what some say of the picture under a highlight, others of the map (docs/training-log.md, section
17). With `--truth map` the truth teaches the map and nothing else (section 18); with `--truth stay`
it says where nothing shines, and teachers all the rest (section 20).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from stronger import StrongerStream
from torch import Tensor

from unshine.exposure import expose
from unshine.layers import Layers
from unshine.networks.three_stage.torch import ThreeStage, build
from unshine.networks.weights import read_weights
from unshine.training import loop, losses
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

TAUGHT = {
    "all": losses.WEIGHTS | {"taught picture": 0.8, "taught edges": 0.28, "taught map": 0.5},
    "map": {
        "clean": 0.3, "highlight": 0.6,
        "taught picture": 2.0, "taught edges": 0.7, "taught map": 0.5,
    },
    "stay": {"taught picture": 2.0, "taught edges": 0.7, "taught map": 1.0},
}  # fmt: skip
"""How much each term counts, the truth's and the teachers', by what is learnt of the truth."""
ASKED = 0.35
"""How many of the batches are photographs of which only teachers know something (`stronger.py`)."""


class Taught(Run):
    """A run that learns from the mean answer of teachers besides the truth."""

    pictures: Sequence[ThreeStage] = ()
    """Those who know the picture under a highlight."""
    maps: Sequence[ThreeStage] = ()
    """Those who know where there is one."""
    learnt = "all"
    """What is learnt of the truth; see `TAUGHT`."""
    said: tuple[Tensor, Tensor] | None = None
    """What they say of the batch to come: its picture, (B, 3, H, W), and map, (B, 1, H, W)."""

    def ask(self, truth: Layers[Tensor]) -> tuple[Tensor, Tensor] | None:
        """Ask the teachers about a batch."""
        if not self.pictures:
            return None
        # As the network sees it, or what teachers say is of another image.
        truth = expose(truth)
        with torch.no_grad():
            answers = {teacher: teacher(truth.image) for teacher in {*self.pictures, *self.maps}}
            ungated = torch.stack([answers[x].ungated for x in self.pictures]).mean(0)
            said = torch.stack([answers[x].votes for x in self.maps])
        # Of a photograph nobody knows where it shines: the most cautious teacher is believed.
        votes = said.amin(0) if truth.mask is None else said.mean(0)
        likely = votes.sigmoid()
        if truth.mask is None:
            ungated = torch.lerp(ungated, truth.clean, truth.highlight)
            likely = torch.maximum(likely, truth.highlight)
        else:
            # Where it is known that nothing shines, teachers can only be mistaken.
            likely = likely * (truth.highlight.amax((1, 2, 3), True) > 0)
        return ungated, likely

    def losses(self, truth: Layers[Tensor]) -> dict[str, Tensor]:
        """Compare with the truth and with what the teachers say."""
        answer = self.model(truth.image)._asdict()
        terms = losses.losses(answer, truth.given())
        if truth.mask is None:
            terms = {name: torch.zeros_like(term) for name, term in terms.items()}
        if self.said:
            ungated, likely = self.said
            error = answer["ungated"] - ungated
            weight = 0.1 + torch.maximum(likely, truth.highlight)
            terms |= {
                "taught picture": losses.mean(error, weight),
                "taught edges": losses.edges(error, weight),
                "taught map": losses.cross_entropy(answer["votes"], likely, 1 + 2 * likely),
            }
            counts = TAUGHT[self.learnt].items()
            terms["total"] = torch.stack([n * terms[name] for name, n in counts]).sum()
        return terms


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
    picture_of: Annotated[
        list[Path] | None, typer.Option(help="Weights that know the picture under a highlight.")
    ] = None,
    map_of: Annotated[
        list[Path] | None, typer.Option(help="Weights that know where there is one.")
    ] = None,
    truth: Annotated[
        Literal["all", "map", "stay"],
        typer.Option(help="What is learnt of the truth: all, the map, what must stay."),
    ] = "all",
    cleaned: Annotated[
        Path | None,
        typer.Option(help="What unshine remove made of photographs, to ask teachers about those."),
    ] = None,
    ema: Annotated[float, typer.Option(help="Decay of the mean of weights.")] = UNSHINE.ema,
) -> None:
    """Train."""
    if bool(picture_of) != bool(map_of) or (truth != "all" and not map_of):
        raise typer.BadParameter("Give teachers of both: --picture-of and --map-of.")
    if cleaned and not map_of:
        raise typer.BadParameter("Only teachers know something of what --cleaned names.")
    torch.set_flush_denormal(True)
    runs = [
        Settings(
            output, minutes, data=("stay",), pool=pool, photos=photos,
            share=share, seed=seed, init=init, resume=resume, workers=1,
            recipe=replace(UNSHINE, size=size, batch=sum(share), rate=rate, ema=ema),
        )
        for size, share in SIZES.items()
    ]  # fmt: skip
    fabric = make_fabric(runs[0])
    fabric.seed_everything(seed, verbose=False)
    run = Taught(runs[0], fabric)
    teachers = {p: build(read_weights(p)) for p in {*(picture_of or ()), *(map_of or ())}}
    run.pictures, run.maps = ([teachers[p] for p in paths or ()] for paths in (picture_of, map_of))
    run.learnt = truth
    for stage in keep or ():
        getattr(run.network, stage).requires_grad_(False)
    streams = [stream(settings, fabric.device, run.step) for settings in runs]
    asked = [
        iter(StrongerStream(photos, cleaned, size, sum(share), 1_000_003 * seed + run.step))
        for size, share in SIZES.items()
        if cleaned
    ]

    def batches() -> Iterator[Any]:
        rng = random.Random(f"{seed} {run.step}")
        kept: list[list[Any]] = []
        while True:
            if len(kept) < KEPT:
                some = asked if asked and rng.random() < ASKED else streams
                batch = next(rng.choices(some, CHANCES)[0])
                kept.append([batch, run.ask(batch), TIMES])
            which = rng.randrange(len(kept))
            kept[which][-1] -= 1
            batch, said, left = kept[which] if kept[which][-1] else kept.pop(which)
            if left % 2:
                batch, said = mirrored(batch), said and tuple(x.flip(-1) for x in said)
            run.said = said
            yield batch

    try:
        loop.run_loop(run, batches())
    finally:
        for one in streams:
            one.close()


if __name__ == "__main__":
    typer.run(main)
