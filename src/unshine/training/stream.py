"""Endless streams of tuples for PyTorch: made as it goes, or read from disk, or both mixed."""

import signal
from collections.abc import Generator, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth import camera, patterns
from unshine.synth.camera import Tuples
from unshine.synth.procedural import Scene, Studio
from unshine.training.disk import batches
from unshine.training.settings import Settings

ATLAS_ROWS = 16


class PaperTuples(NamedTuple):
    """What TSHRNet is trained towards: display values, (B, 3, H, W)."""

    image: Tensor
    albedo: Tensor
    shading: Tensor
    specular: Tensor
    diffuse: Tensor
    clean: Tensor


Truth = Tuples | PaperTuples


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
    parts: list[Iterator[Truth | UnshineError]] = []
    if settings.procedural:
        # Other tuples on each process, and after a resumption others than before it.
        seed = (settings.seed * 1_000_003 + step) * world + rank
        parts.append(_procedural(settings, device, seed))
    if settings.folders:
        datasets = DiskStream(settings)
        loader: DataLoader[Truth | UnshineError] = DataLoader(
            datasets,
            batch_size=None,
            sampler=range(step * world + rank, FOREVER, world),
            num_workers=settings.readers,
            prefetch_factor=4 if settings.readers else None,
            worker_init_fn=_one_thread,
            pin_memory=device.type == "cuda",
        )
        parts.append(iter(loader))
    return _mixed(parts, device)


def _mixed(
    parts: list[Iterator[Truth | UnshineError]], device: torch.device
) -> Generator[Truth, None, None]:
    try:
        while True:
            rows = [_sound(next(part)) for part in parts]
            joined = [
                torch.cat([x.to(device, non_blocking=True) for x in fields])
                for fields in zip(*rows, strict=True)
            ]
            yield type(rows[0])(*joined)
    finally:
        # Ends the workers; left to the interpreter's end, they die with a complaint.
        parts.clear()


def _sound(batch: Truth | UnshineError) -> Truth:
    # As a value, since a worker's exception arrives with its traceback in its words.
    if isinstance(batch, UnshineError):
        raise batch
    return batch


def _procedural(
    settings: Settings, device: torch.device, seed: int
) -> Iterator[Truth | UnshineError]:
    paper = settings.recipe == "paper"
    if device.type == "cuda":
        tuples = ProceduralStream(settings.size, settings.procedural, seed, device, paper=paper)
        return iter(tuples)
    cpu = torch.device("cpu")
    tuples = ProceduralStream(settings.size, settings.procedural, seed, cpu, 2, paper)
    loader: DataLoader[Truth] = DataLoader(
        tuples, batch_size=None, num_workers=1, prefetch_factor=4, worker_init_fn=_one_thread
    )
    return iter(loader)


def _one_thread(_: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


FOREVER = 2**40
"""More batches than any run takes."""


class DiskStream(Dataset["Truth | UnshineError"]):
    """Batches of tuples from disk by their number; an error is returned, not raised."""

    def __init__(self, settings: Settings) -> None:
        self.seed, self.relight = settings.seed, settings.relight
        self.paper = settings.recipe == "paper"
        self.batches = batches(settings)

    def __getitem__(self, index: int) -> Truth | UnshineError:
        """Read batch `index`, or say why not."""
        try:
            fields = [torch.from_numpy(x) for x in self.batches[index]]
        except UnshineError as error:
            return error
        if not self.relight:
            return PaperTuples(*fields) if self.paper else Tuples(*fields)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        tuples = camera.develop(Scene(*fields), generator)
        return paper_tuples(tuples) if self.paper else tuples


def paper_tuples(tuples: Tuples) -> PaperTuples:
    """Write tuples as SSHR does: display values in [0, 1], A and S scaled so that S fits."""
    brightest = tuples.shading.amax((1, 2, 3), keepdim=True).clip(1, None)
    lightest = optics.decode(tuples.albedo).amax((1, 2, 3), keepdim=True)
    scale = torch.minimum(brightest, 1 / lightest.clip(0.05, None))
    return PaperTuples(
        tuples.image,
        optics.encode(optics.decode(tuples.albedo) * scale).clip(0, 1),
        optics.encode(tuples.shading / scale).clip(0, 1),
        optics.encode(tuples.specular).clip(0, 1),
        tuples.diffuse,
        tuples.clean,
    )


class ProceduralStream(IterableDataset[Truth]):
    """Batches of tuples made as it goes, each different, all depending on the seed alone.

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
    paper : bool
        Whether to make `PaperTuples` of them.
    """

    def __init__(
        self,
        size: int,
        batch: int,
        seed: int,
        device: torch.device,
        reuse: int = 1,
        paper: bool = False,
    ) -> None:
        self.size, self.batch, self.seed = size, batch, seed
        self.device, self.reuse, self.paper = device, reuse, paper

    def __iter__(self) -> Iterator[Truth]:
        worker = get_worker_info()
        generator = torch.Generator(self.device)
        generator.manual_seed(self.seed * 1000 + (worker.id if worker else 0))
        studio = Studio(self.size, patterns.atlas(ATLAS_ROWS).to(self.device))
        fresh = max(1, self.batch // self.reuse)
        pool: Scene | None = None
        while True:
            with torch.no_grad():
                scenes = studio.render(fresh, generator)
                if self.reuse > 1:
                    # A few batches of scenes, shuffled, so that the views of one are apart.
                    pool = scenes if pool is None else _joined(pool, scenes)
                    if len(pool.albedo) < 8 * self.batch:
                        continue
                    pool = Scene(*(x[-8 * self.batch :] for x in pool))
                    order = torch.randperm(8 * self.batch, generator=generator, device=self.device)
                    scenes = Scene(*(x[order[: self.batch]] for x in pool))
                scenes = _framed(scenes, generator)
                tuples = camera.develop(scenes, generator)
                truth = paper_tuples(tuples) if self.paper else tuples
            yield truth


def _joined(a: Scene, b: Scene) -> Scene:
    return Scene(*(torch.cat(pair) for pair in zip(a, b, strict=True)))


def _framed(scene: Scene, generator: torch.Generator) -> Scene:
    """Mirror, turn and come closer to a batch of scenes, all layers together.

    Most pictures stay upright, as light comes from above. Closer views are enlarged: a photograph
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
