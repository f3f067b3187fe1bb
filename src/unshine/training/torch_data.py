"""Endless batches for PyTorch: made during training, read from disk, or both in one batch."""

import signal
from collections.abc import Callable, Generator, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from unshine import optics
from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.synth import camera, patterns
from unshine.synth.batch import worker_seed
from unshine.synth.procedural import Scene, Studio
from unshine.training import disk
from unshine.training.pool import Pool
from unshine.training.settings import Settings

ATLAS_ROWS = 16

FOREVER = 2**40
"""More batches than any run takes."""

Truth = Layers[Tensor]


def stream(
    settings: Settings, device: torch.device, step: int = 0, rank: int = 0, world: int = 1
) -> Generator[Truth, None, None]:
    """Make the batches of a run, on the device, from some step on; close it to end its workers.

    Parameters
    ----------
    settings : Settings
    device : torch.device
    step, rank, world : int
        Where the run stands, which process this is, and of how many.
    """
    # Other tuples on each process, and after a resumption others than before it.
    seed = (settings.seed * 1_000_003 + step) * world + rank
    parts: list[Iterator[Truth | UnshineError]] = []
    for dataset in endless(settings, seed, device):
        # On a GPU, scenes are rendered in this process.
        on_gpu = isinstance(dataset, ProceduralStream) and device.type == "cuda"
        parts.append(iter(dataset if on_gpu else _loader(dataset, 1, device)))
    if settings.of_kind("tuples", "pool"):
        numbers = range(step * world + rank, FOREVER, world)
        parts.append(iter(_loader(IndexedBatches(settings), settings.readers, device, numbers)))
    return _mixed(parts, device)


def endless(settings: Settings, seed: int, device: torch.device) -> list[IterableDataset[Truth]]:
    """Return the sources that have no order: what is made during training, and of photographs.

    Parameters
    ----------
    settings : Settings
    seed : int
        Sources of different seeds have nothing in common.
    device : torch.device
        That of the training.
    """
    found: list[IterableDataset[Truth]] = []
    recipe = settings.recipe
    if count := sum(source.count for source in settings.of_kind("procedural")):
        gpu = device.type == "cuda"
        place = device if gpu else torch.device("cpu")
        reuse = 1 if gpu else 2
        found.append(ProceduralStream(recipe.size, count, seed, place, reuse, recipe.as_stored))
    for source in settings.of_kind("stay"):
        from unshine.synth.photographs import StayStream

        found.append(StayStream(recipe.size, source.count, seed))
    for source in settings.of_kind("photos"):
        from unshine.synth.photographs import PhotographStream

        found.append(PhotographStream(source.path, recipe.size, source.count, seed))
    return found


def _loader(
    dataset: Dataset[Truth | UnshineError],
    workers: int,
    device: torch.device,
    sampler: range | None = None,
) -> DataLoader[Truth | UnshineError]:
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_start_worker,
        pin_memory=sampler is not None and device.type == "cuda",
    )


def _start_worker(_: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _mixed(
    parts: list[Iterator[Truth | UnshineError]], device: torch.device
) -> Generator[Truth, None, None]:
    try:
        while True:
            batches = [_raised(next(part)) for part in parts]
            yield disk.merge(
                batches, lambda x: torch.cat([y.to(device, non_blocking=True) for y in x])
            )
    finally:
        # Ends the workers; left to the interpreter's end, they die with a complaint.
        parts.clear()


def _raised(batch: Truth | UnshineError) -> Truth:
    # As a value, since a worker's exception arrives with its traceback in its words.
    if isinstance(batch, UnshineError):
        raise batch
    return Layers(**batch._asdict())


class IndexedBatches(Dataset[Truth | UnshineError]):
    """Batches by their number, of tuples on disk and of pools; an error is returned, not raised."""

    def __init__(self, settings: Settings) -> None:
        recipe, seed = settings.recipe, settings.seed
        self.parts: list[Callable[[int], Truth]] = []
        if settings.of_kind("tuples"):
            batches = disk.batches(settings)
            if settings.relight:
                self.parts.append(partial(_relit, batches, seed, recipe.as_stored))
            else:
                self.parts.append(partial(_read, batches))
        for source in settings.of_kind("pool"):
            pool = Pool(source.path, source.count, recipe.size, seed)
            self.parts.append(partial(_relit, pool, seed, recipe.as_stored))

    def __getitem__(self, index: int) -> Truth | UnshineError:
        """Read batch `index`, or say why not."""
        try:
            return disk.merge([part(index) for part in self.parts], torch.cat)
        except UnshineError as error:
            return error


def _read(batches: disk.Batches, index: int) -> Truth:
    return Layers(**{name: torch.from_numpy(x) for name, x in batches[index].given().items()})


def _relit(scenes: disk.Batches | Pool, seed: int, as_stored: bool, index: int) -> Truth:
    """Photograph batch `index` of stored scenes, other than the last time."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    scene = {name: torch.from_numpy(x) for name, x in scenes[index].given().items()}
    return _photograph(Scene(**scene), generator, as_stored)


def _photograph(scene: Scene, generator: torch.Generator, as_stored: bool) -> Truth:
    truth: Truth = Layers(**camera.develop(scene, generator, whole=as_stored)._asdict())
    return to_stored(truth) if as_stored else truth


def to_stored(truth: Truth) -> Truth:
    """Write tuples as SSHR does: display values in [0, 1], A and S scaled so that S fits."""
    brightest = truth.shading.amax((1, 2, 3), keepdim=True).clip(1, None)
    lightest = optics.decode(truth.albedo).amax((1, 2, 3), keepdim=True)
    scale = torch.minimum(brightest, 1 / lightest.clip(0.05, None))
    return Layers(
        image=truth.image,
        albedo=optics.encode(optics.decode(truth.albedo) * scale).clip(0, 1),
        shading=optics.encode(truth.shading / scale).clip(0, 1),
        specular=optics.encode(truth.specular).clip(0, 1),
        diffuse=truth.diffuse,
        clean=truth.clean,
    )


class ProceduralStream(IterableDataset[Truth]):
    """Batches of tuples made during training, each different, all depending on the seed alone.

    Parameters
    ----------
    size : int
        Height and width.
    batch : int
        Tuples a batch.
    seed : int
        Streams of different seeds have nothing in common.
    device : torch.device
        Where to render; on a GPU, iterate over the stream itself, not over a DataLoader.
    reuse : int
        How often each scene is photographed. Rendering costs more than training on a CPU, so a
        scene is seen twice there, with other gloss, exposure, noise and orientation.
    as_stored : bool
        Whether to make the truth what SSHR stores; see `Recipe.as_stored`.
    """

    def __init__(
        self,
        size: int,
        batch: int,
        seed: int,
        device: torch.device,
        reuse: int = 1,
        as_stored: bool = False,
    ) -> None:
        self.size, self.batch, self.seed = size, batch, seed
        self.device, self.reuse, self.as_stored = device, reuse, as_stored

    def __iter__(self) -> Iterator[Truth]:
        generator = torch.Generator(self.device).manual_seed(worker_seed(self.seed))
        studio = Studio(self.size, patterns.atlas(ATLAS_ROWS).to(self.device))
        fresh, kept = max(1, self.batch // self.reuse), 8 * self.batch
        recent: Scene | None = None
        while True:
            with torch.no_grad():
                scenes = studio.render(fresh, generator)
                if self.reuse > 1:
                    # A few batches of scenes, shuffled, so that the views of one are apart.
                    recent = scenes if recent is None else _joined(recent, scenes)
                    if len(recent.albedo) < kept:
                        continue
                    recent = Scene(*(x[-kept:] for x in recent))
                    order = torch.randperm(kept, generator=generator, device=self.device)
                    scenes = Scene(*(x[order[: self.batch]] for x in recent))
                truth = _photograph(_crop_and_flip(scenes, generator), generator, self.as_stored)
            yield truth


def _joined(a: Scene, b: Scene) -> Scene:
    return Scene(*(torch.cat(pair) for pair in zip(a, b, strict=True)))


def _crop_and_flip(scene: Scene, generator: torch.Generator) -> Scene:
    """Mirror, turn and come closer to a batch of scenes, all layers together.

    Most images stay upright, as light comes from above. Closer views are enlarged: a photograph
    of many pixels is softer, pixel by pixel, than a rendered scene, and a network that has only
    seen crisp paint takes soft white paint for a highlight.
    """
    flip, turn, closer, zoom, top, left = torch.rand(
        6, generator=generator, device=generator.device
    ).tolist()
    size = scene.albedo.shape[-1]
    seen = size if closer < 0.35 else round(size * 3.5**-zoom)
    first, second = (round(place * (size - seen)) for place in (top, left))

    def move(x: Tensor) -> Tensor:
        x = x.flip(-1) if flip < 0.5 else x
        x = x.rot90(int(turn * 20), (-2, -1)) if turn < 0.2 else x
        if seen == size:
            return x
        x = x[..., first : first + seen, second : second + seen]
        return F.interpolate(x, size=(size, size), mode="bilinear")

    return Scene(*(move(x) for x in scene))
