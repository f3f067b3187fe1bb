"""An endless stream of procedural tuples, for training on the device that trains or beside it."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from unshine.synth import camera, patterns
from unshine.synth.camera import Tuples
from unshine.synth.procedural import Scene, Studio

ATLAS_ROWS = 16


class ProceduralStream(IterableDataset[Tuples]):
    """Batches of `Tuples`, each different, all depending on the seed alone.

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
    """

    def __init__(
        self, size: int, batch: int, seed: int, device: torch.device, reuse: int = 1
    ) -> None:
        self.size, self.batch, self.seed = size, batch, seed
        self.device, self.reuse = device, reuse

    def __iter__(self) -> Iterator[Tuples]:
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
            yield tuples


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
