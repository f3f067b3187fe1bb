"""Train on one GPU that the processors feed: four sizes, thousands of samples a second.

    python benchmarks/training/on_gpu.py -o runs/gpu --minutes 9 --photos photos --init OLD

Three kinds of processes work beside the training, and none waits for another. *Drawers*, one for
each spare processor, crop photographs and draw what must stay; they put pictures on shelves, each
of which is taken many times, with other glare. *Makers* render scenes, lay glare over pictures of
the shelves and photograph both, on the GPU, in arithmetic too small to fill it. The training copies
the batches that they make.

It runs on a CPU as well, for a rehearsal (``--samples 256 --scenes 16``).
"""

import math
import mmap
import multiprocessing as mp
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from torch import Tensor

from unshine.layers import Layers
from unshine.synth import camera, flat, patterns, photographs, stay
from unshine.synth.augmentation import augment
from unshine.synth.batch import BatchRandom
from unshine.synth.procedural import Scene, Studio
from unshine.training import disk, loop
from unshine.training.pool import CHANNELS
from unshine.training.recipes import UNSHINE
from unshine.training.settings import Settings
from unshine.training.torch import Run, make_fabric

SIZES = {128: 0.35, 192: 0.2, 256: 0.25, 512: 0.2}
"""Height and width of the tuples, and how many of the batches have them."""
TRACED, TRACED_SHARE = 128, 0.08
"""Size of path-traced tuples, a fifth of the scenes of that size if there are any, and how much of
their images highlights cover at most."""
LARGE = 512
"""Scenes of this size are rendered at it; all others are looked at from 256² pixels."""
FRESH = 8
"""Scenes rendered anew for each batch."""
SLOTS = 6
"""Batches that wait to be trained on."""
LAYERS = {
    "image": 3, "albedo": 3, "shading": 3, "specular": 3, "diffuse": 3, "clean": 3, "highlight": 1,
}  # fmt: skip
"""Channels of what the losses compare."""


def shared(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Make an array of zeros that processes forked later share."""
    count = math.prod(shape)
    memory = mmap.mmap(-1, count * np.dtype(kind).itemsize)
    return np.frombuffer(memory, kind, count).reshape(shape)


@dataclass(eq=False)
class Shelf:
    """Pictures of one kind and size, the oldest of which are replaced."""

    kind: str
    """stay, flat or photographs."""
    size: int
    pixels: NDArray[np.uint8]
    """(workers, places, size, size, 4); the last plane says where glare may lie."""
    shiny: NDArray[np.float32]
    """(workers, places): how likely each has glare."""
    drawn: NDArray[np.int64]
    """(workers,): pictures that each has put there so far."""

    @classmethod
    def empty(cls, kind: str, size: int, workers: int, megabytes: int) -> "Shelf":
        """Make a shelf of so many megabytes."""
        places = max(2, megabytes * 2**20 // (4 * size * size * workers))
        return cls(
            kind, size, shared((workers, places, size, size, 4), np.uint8),
            shared((workers, places), np.float32), shared((workers,), np.int64),
        )  # fmt: skip

    def put(self, worker: int, picture: NDArray[np.uint8], shiny: float) -> None:
        """Put a picture in the place of a worker's oldest."""
        place = self.drawn[worker] % self.pixels.shape[1]
        self.pixels[worker, place, ..., 3] = 255
        self.pixels[worker, place, ..., : picture.shape[-1]] = picture
        self.shiny[worker, place] = shiny
        self.drawn[worker] += 1

    def take(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Take pictures at random, (B, H, W, 4), uint8, and how likely each has glare."""
        workers = rng.choice(np.flatnonzero(self.drawn), count)
        filled = np.minimum(self.drawn[workers], self.pixels.shape[1])
        places = (rng.random(count) * filled).astype(int)
        pixels, shiny = (x[workers, places] for x in (self.pixels, self.shiny))
        return torch.from_numpy(pixels), torch.from_numpy(shiny)


def draw_forever(worker: int, shelves: list[Shelf], photos: Path, seed: int) -> None:
    """Fill shelves, each as fast as it is taken from."""
    torch.set_num_threads(1)
    rng = np.random.default_rng((seed, 1, worker))
    album = photographs.Album(photos)
    often = np.array([needed(shelf) for shelf in shelves])
    first = iter(rng.permutation(len(shelves)))
    while True:
        shelf = shelves[next(first, rng.choice(len(shelves), p=often / often.sum()))]
        if shelf.kind == "photographs":
            # Reading one takes longer than to crop it, and views of one must not be together.
            seen = [
                photographs.labelled(crop, album.glared(path), rng)
                for path in album.draw_lots(8, rng)
                for crop in photographs.crops(path, shelf.size, 3, rng)
            ]
            for k in rng.permutation(len(seen)):
                (crop, shiny), (other, _) = seen[k], seen[rng.integers(len(seen))]
                shelf.put(worker, augment(crop, other, rng), shiny)
            continue
        for _ in range(8):
            if shelf.kind == "flat":
                picture, shiny = flat.make(shelf.size, rng), flat.GLARED
            else:
                kind = stay.draw_lots(1, rng)[0]
                picture = stay.make(kind, shelf.size, rng)
                shiny = stay.GLARED * (kind in stay.SHINY)
            shelf.put(worker, (picture * 255 + 0.5).astype(np.uint8), shiny)


def counts(size: int, batch: int) -> dict[str, int]:
    """Return how many of a batch of one size come from where; it has as many pixels as any.

    A quarter is drawn, a quarter are scenes, half are photographs.
    """
    whole = max(4, batch * 128**2 // size**2)
    quarter = whole // 4
    level = max(1, round(quarter * photographs.FLAT)) if quarter > 1 else 0
    return {
        "stay": quarter - level, "flat": level, "scenes": quarter,
        "photographs": whole - 2 * quarter,
    }  # fmt: skip


def needed(shelf: Shelf) -> float:
    """Return how many pictures of a shelf a batch takes, on average, times its chance."""
    return SIZES[shelf.size] * counts(shelf.size, 256)[shelf.kind]


class Maker:
    """Makes batches on the GPU: scenes and pictures, lit and photographed."""

    def __init__(
        self,
        shelves: list[Shelf],
        library: Tensor | None,
        device: torch.device,
        seed: int,
        scenes: int,
        traced: Tensor | None,
    ) -> None:
        self.shelves = {(shelf.kind, shelf.size): shelf for shelf in shelves}
        self.device = device
        self.rng = np.random.default_rng((seed, 2))
        self.generator = torch.Generator(device).manual_seed(seed * 1009 + 3)
        self.atlas = patterns.atlas(16, seed).to(device)
        self.library = None if library is None else library.to(device)
        self.studios = {size: Studio(size, self.atlas) for size in (256, LARGE)}
        self.scenes = {256: self.render(256, scenes), LARGE: self.render(LARGE, scenes // 8)}
        self.traced = None if traced is None else traced.to(device)

    def render(self, size: int, count: int) -> Tensor:
        """Render scenes, (count, 10, size, size), as a pool holds them."""
        held = torch.empty(count, 10, size, size, dtype=torch.float16, device=self.device)
        for first in range(0, count, 16):
            some = held[first : first + 16]
            made = self.studios[size].render(len(some), self.generator)
            for name, channels in CHANNELS.items():
                some[:, channels] = getattr(made, name).clip(0, 6e4)
        return held

    def refresh(self, size: int) -> Tensor:
        """Render a few scenes anew, and return all that are kept for one size of tuples."""
        held = self.scenes[LARGE if size == LARGE else 256]
        fresh = min(len(held), FRESH if size != LARGE else 1)
        first = int(self.rng.integers(len(held) - fresh + 1))
        held[first : first + fresh] = self.render(held.shape[-1], fresh)
        return held

    def views(self, held: Tensor, size: int, count: int) -> Scene:
        """Look at scenes again: closer, mirrored, a few of them turned; see `pool.view`."""
        random = BatchRandom(count, self.generator)
        scale = torch.where(random.uniform(0, 1) < 0.3, 1.0, 0.35 ** random.uniform(0, 1))
        shift = (2 * random.uniform(0, 1, 2) - 1) * (1 - scale)
        flip = scale * (2 * random.bernoulli(0.5) - 1)
        quarter = (random.bernoulli(0.2) * random.uniform(0, 4).floor()) * (math.pi / 2)
        cosine, sine = quarter.cos(), quarter.sin()
        rows = [
            torch.cat([cosine * flip, -sine * scale, shift[:, :1]], 3),
            torch.cat([sine * flip, cosine * scale, shift[:, 1:]], 3),
        ]
        # Twice as fine and then reduced, so that nothing is jagged.
        fine = size if size >= held.shape[-1] else 2 * size
        matrix = torch.cat(rows, 2).view(-1, 2, 3)
        grid = F.affine_grid(matrix, [count, 1, fine, fine], align_corners=False)
        chosen = torch.randint(len(held), (count,), generator=self.generator, device=self.device)
        seen = F.grid_sample(held[chosen].float(), grid, align_corners=False)
        seen = F.avg_pool2d(seen, fine // size)
        return Scene(**{name: seen[:, channels] for name, channels in CHANNELS.items()})

    def batch(self, size: int, batch: int) -> dict[str, Tensor]:
        """Make a batch of one size."""
        parts = []
        for kind, count in counts(size, batch).items():
            if kind == "scenes":
                if self.traced is not None and size == TRACED:
                    seen = self.views(self.traced, size, count // 5)
                    parts.append(camera.develop(seen, self.generator, share=TRACED_SHARE))
                    count -= count // 5
                seen = self.views(self.refresh(size), size, count)
                parts.append(camera.develop(seen, self.generator))
            elif count:
                pixels, shiny = (
                    x.to(self.device) for x in self.shelves[kind, size].take(count, self.rng)
                )
                images = pixels.permute(0, 3, 1, 2) / 255
                library = self.library if kind == "photographs" else None
                parts.append(
                    photographs.lit(
                        images, library, self.atlas, shiny, self.generator, wide=kind == "flat"
                    )
                )
        return {name: torch.cat([getattr(part, name) for part in parts]) for name in LAYERS}


def read_traced(folder: Path) -> Tensor:
    """Read path-traced scenes, (N, 10, H, W), as a pool holds them."""
    recipe = replace(UNSHINE, size=TRACED, batch=1)
    settings = Settings(Path("."), samples=1, recipe=recipe, data=(str(folder),), relight=True)
    stored = disk.batches(settings)
    scenes = [stored[k].given() for k in range(len(stored.datasets[0].entries))]
    planes = np.concatenate([np.concatenate([x[n] for n in CHANNELS], 1) for x in scenes])
    return torch.from_numpy(planes.clip(0, 6e4).astype(np.float16))


@torch.no_grad()
def make_forever(
    number: int, shelves: list[Shelf], slots: NDArray[np.float16], free: "Queue[int]",
    ready: "Queue[tuple[int, int]]", library: Tensor | None, traced: Tensor | None,
    seed: int, scenes: int, batch: int,
) -> None:  # fmt: skip
    """Write batches into free slots."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    maker = Maker(shelves, library, device, seed * 31 + number, scenes, traced)
    pinned = pin(slots)
    sizes = random.Random(f"{seed} {number}")
    while not all(shelf.drawn.any() for shelf in shelves):
        time.sleep(0.1)
    while True:
        size = sizes.choices(list(SIZES), list(SIZES.values()))[0]
        made = maker.batch(size, batch)
        slot = free.get()
        whole = torch.cat(list(made.values()), 1).to(torch.float16)
        pinned[slot][: whole.numel()].copy_(whole.flatten())
        ready.put((slot, size))


def pin(slots: NDArray[np.float16]) -> Tensor:
    """Tell the GPU where the shared memory lies, so that copies are fast."""
    tensor = torch.from_numpy(slots)
    if torch.cuda.is_available():
        torch.cuda.init()
        failed = torch.cuda.cudart().cudaHostRegister(tensor.data_ptr(), tensor.nbytes, 0)
        if int(failed):
            print(f"The batches' memory could not be pinned ({failed}): copies are slow.")
    return tensor


def batches_of(
    run: Run, slots: Tensor, free: "Queue[int]", ready: "Queue[tuple[int, int]]"
) -> Iterator[Layers[Tensor]]:
    """Copy batches as they are made; bank the weights at each quarter of the run."""
    waited, started, quarter = 0.0, time.monotonic(), 1
    channels = list(LAYERS.values())
    while True:
        before = time.monotonic()
        slot, size = ready.get(timeout=120)  # or a maker has failed, and said why
        waited += time.monotonic() - before
        number = sum(counts(size, run.recipe.batch).values())
        shape = (number, sum(channels), size, size)
        flat_values = slots[slot][: math.prod(shape)]
        whole = flat_values.to(run.fabric.device, non_blocking=True).view(shape).float()
        if whole.is_cuda:
            torch.cuda.current_stream().synchronize()
        free.put(slot)
        yield Layers(**dict(zip(LAYERS, whole.split(channels, 1), strict=True)))
        if run.progress() > quarter / 4:
            run.save_weights(run.settings.output / f"weights-{quarter}.safetensors")
            share = waited / (time.monotonic() - started)
            print(f"quarter {quarter}: step {run.step}, {share:.0%} of the time waited for batches")
            quarter += 1


def main(
    output: Annotated[Path, typer.Option("-o", help="Folder for weights and logs.")],
    photos: Annotated[Path, typer.Option(help="A folder of photographs.")],
    minutes: Annotated[float | None, typer.Option(help="How long to train.")] = None,
    samples: Annotated[int | None, typer.Option(help="Or: on how many tuples.")] = None,
    rate: Annotated[float, typer.Option(help="Learning rate at its highest.")] = 1e-3,
    batch: Annotated[int, typer.Option(help="Tuples of 128² a step; larger are fewer.")] = 256,
    scenes: Annotated[int, typer.Option(help="Scenes that each maker keeps.")] = 4000,
    makers: Annotated[int, typer.Option(help="Processes that make batches.")] = 3,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
    megabytes: Annotated[int, typer.Option(help="Of pictures on each of the shelves.")] = 1500,
    init: Annotated[Path | None, typer.Option(help="Weights to start from.")] = None,
    traced: Annotated[Path | None, typer.Option(help="A folder of path-traced tuples.")] = None,
) -> None:
    """Train."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    context = mp.get_context("fork")
    drawers = max(1, len(os.sched_getaffinity(0)) - makers - 1)
    shelves = [
        Shelf.empty(kind, size, drawers, megabytes)
        for kind in ("stay", "flat", "photographs")
        for size in SIZES
        if counts(size, batch)[kind]
    ]
    library = photographs.cut_highlights(
        photographs.Album(photos).shiny, np.random.default_rng(seed)
    )
    known = None if traced is None else read_traced(traced)
    slots = shared((SLOTS, max(batch, 4 * 16) * 128**2 * sum(LAYERS.values())), np.float16)
    free, ready = context.Queue(), context.Queue()
    for slot in range(SLOTS):
        free.put(slot)
    # All are forked before this process touches the GPU.
    jobs: list[tuple[Any, tuple[Any, ...]]] = [
        (draw_forever, (k, shelves, photos, seed)) for k in range(drawers)
    ]
    jobs += [
        (make_forever, (k, shelves, slots, free, ready, library, known, seed, scenes, batch))
        for k in range(makers)
    ]
    helpers = [context.Process(target=target, args=args, daemon=True) for target, args in jobs]
    for helper in helpers:
        helper.start()
    recipe = replace(UNSHINE, batch=batch, rate=rate, warmup=100, validations=4)
    settings = Settings(
        output, minutes, samples, recipe, data=("stay",), seed=seed, init=init, device="auto"
    )
    fabric = make_fabric(settings)
    fabric.seed_everything(seed, verbose=False)
    run = Run(settings, fabric)
    pinned = pin(slots)
    batches = batches_of(run, pinned, free, ready)
    first = next(batches)  # so that the time of the run is that of the training
    try:
        loop.run_loop(run, chain([first], batches))
    finally:
        for helper in helpers:
            helper.terminate()


if __name__ == "__main__":
    typer.run(main)
