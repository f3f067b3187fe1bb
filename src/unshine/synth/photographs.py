"""Photographs as a source of tuples: D is real, R is drawn or transplanted onto it.

A crop of a photograph is the diffuse image; what its albedo and shading are, nobody knows. R is
glare drawn in the image plane, or the achromatic excess of real highlights, cut out of photographs
of shiny things. Most crops get none: real white things, lamps, skies and lettering then say what
is no highlight.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth import camera, flat, glare, panoramas, patterns, stay
from unshine.synth.augmentation import augment
from unshine.synth.batch import BatchRandom, worker_seed
from unshine.synth.camera import Tuples
from unshine.synth.procedural import Scene
from unshine.synth.stay import labels

Bytes = NDArray[np.uint8]

SHINY = (
    "Apple", "Tomato", "Pepper", "Nectarine", "Plum", "Avocado", "Cucumber", "Lime", "Watermelon",
    "Aubergine", "Pear", "Peach",
)  # fmt: skip
"""Words in the names of photographs (of the Grocery Store Dataset) of shiny things."""


WINDOW, SHARE = 0.22, 0.15
"""How far the patch of a peak of drawn glare reaches, and how much of the image glare may cover."""

BANDS = 0.1
"""How often glare runs across all of the image."""

LABELLED = 0.3
"""How often labels are stuck on a photograph, which then has no glare: teachers would take both."""

GLARED = 0.6
"""How often a photograph has glare."""

BARE = "bare"
"""Photographs in a folder of this name, or below one, never have any: landscapes, skies, flowers. A
network that sees glare drawn on mountains takes patches of snow off them."""

FLAT = 0.25
"""How often what is drawn is flat: a card, a page, a board."""


class PhotographStream(IterableDataset[Any]):
    """Batches of tuples made of photographs, each different; they depend on the seed alone.

    Parameters
    ----------
    folder : Path
        See `Album`.
    size : int
        Height and width.
    batch : int
        Tuples a batch.
    seed : int
        Streams of different seeds have nothing in common.
    """

    def __init__(self, folder: Path, size: int, batch: int, seed: int) -> None:
        self.size, self.batch, self.seed = size, batch, seed
        self.album = Album(folder)

    def __iter__(self) -> Iterator[Tuples]:
        rng, generator, atlas = _randomness(self.seed)
        highlights = cut_highlights(self.album.shiny, rng)
        while True:
            chosen = self.album.draw_lots(self.batch, rng)
            seen = [
                labelled(crop, self.album.glared(path), rng)
                for path in chosen
                for crop in crops(path, self.size, 1, rng)
            ]
            changed = [augment(crop, seen[k - 1][0], rng) for k, (crop, _) in enumerate(seen)]
            images = _planes(np.stack(changed) / np.float32(255))
            shiny = torch.tensor([glared for _, glared in seen])
            yield lit(images, highlights, atlas, shiny, generator)


class Album:
    """The photographs in a folder: JPEG and PNG files, and panoramas in OpenEXR.

    Each folder below is seen equally often. Photographs of shiny things, by their names (`SHINY`),
    lend their highlights and are no D; those in folders called `BARE` never have any glare.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UnshineError
        If there are none of matte things.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        endings = (".jpg", ".png", panoramas.ENDING)
        found = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in endings)
        self.shiny = [path for path in found if is_shiny(path)]
        matte = sorted(set(found) - set(self.shiny))
        self.folders = [list(some) for _, some in groupby(matte, lambda path: path.parent)]
        if not matte:
            raise UnshineError(
                f"{folder}: holds no photographs of matte things, .jpg, .png or .exr."
            )

    def draw_lots(self, count: int, rng: np.random.Generator) -> list[Path]:
        """Choose photographs of matte things."""
        folders = [self.folders[k] for k in rng.integers(len(self.folders), size=count)]
        return [folder[rng.integers(len(folder))] for folder in folders]

    def glared(self, path: Path) -> float:
        """Return how likely a photograph is to have glare."""
        return 0.0 if BARE in path.relative_to(self.folder).parts else GLARED


class StayStream(IterableDataset[Any]):
    """Batches of the things of `unshine.synth.stay`, some with glare on them.

    Some batches (`FLAT`) are of the cards, pages and boards of `unshine.synth.flat`, most of them
    with glare.

    Parameters
    ----------
    size : int
        Height and width.
    batch : int
        Tuples a batch.
    seed : int
        Streams of different seeds have nothing in common.
    """

    def __init__(self, size: int, batch: int, seed: int) -> None:
        self.size, self.batch, self.seed = size, batch, seed

    def __iter__(self) -> Iterator[Tuples]:
        rng, generator, atlas = _randomness(self.seed)
        while True:
            if rng.random() < FLAT:
                images = np.stack([flat.make(self.size, rng) for _ in range(self.batch)])
                shiny = torch.full((self.batch,), flat.GLARED)
                yield lit(_planes(images), None, atlas, shiny, generator, wide=True)
                continue
            kinds = stay.draw_lots(self.batch, rng)
            images = np.stack([stay.make(kind, self.size, rng) for kind in kinds])
            shiny = torch.tensor([stay.GLARED * (kind in stay.SHINY) for kind in kinds])
            yield lit(_planes(images), None, atlas, shiny, generator)


def _randomness(seed: int) -> tuple[np.random.Generator, torch.Generator, Tensor]:
    own = worker_seed(seed)
    return np.random.default_rng(own), torch.Generator().manual_seed(own), patterns.atlas(8)


def _planes(images: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def lit(
    image: Tensor,
    library: Tensor | None,
    atlas: Tensor,
    shiny: Tensor,
    generator: torch.Generator,
    wide: bool = False,
) -> Tuples:
    """Mirror a batch of images, light some up by chance, photograph them.

    Parameters
    ----------
    image : Tensor, (B, 3, H, W) or (B, 4, H, W)
        Display values without any glare; a fourth plane says where it may lie. On any device.
    library : Tensor, (N, 1, S, S), optional
        Highlights to transplant, from `cut_highlights`.
    atlas : Tensor
        From `patterns.atlas`.
    shiny : Tensor, (B,)
        How likely each image has glare.
    generator : torch.Generator
        On the images' device.
    wide : bool
        Whether these are flat things, on which glare may be wide; see `unshine.synth.flat`.
    """
    batch, size = image.shape[0], image.shape[-1]
    random = BatchRandom(batch, generator)
    image = torch.where(random.bernoulli(0.5) > 0, image, image.flip(-1))
    image, surface = image[:, :3], image[:, 3:] if image.shape[1] > 3 else 1
    with torch.no_grad():
        glared = (random.uniform(0, 1) < shiny.view(-1, 1, 1, 1)).float()
        relief = _relief(random, atlas, size)
        bands = flat.BANDS if wide else BANDS
        scene = light_up(random, image, library, relief, glared * surface, bands)
        window, share = (flat.WINDOW, flat.SHARE) if wide else (WINDOW, SHARE)
        return camera.develop(scene, generator, metered=False, window=window, share=share)


def _relief(random: BatchRandom, atlas: Tensor, size: int) -> Tensor:
    """Cut a square out of the atlas for each image of a batch, (B, 1, size, size)."""
    along = torch.arange(size, device=atlas.device)
    rows, columns = (
        random.uniform(0, atlas.shape[-1] - size).long().view(-1, 1) + along for _ in range(2)
    )
    return atlas[0, 0, rows[:, :, None], columns[:, None, :]][:, None]


def crops(path: Path, size: int, count: int, rng: np.random.Generator) -> Iterator[Bytes]:
    """Cut squares out of a photograph, from nearly all of it to a closer view.

    Of a panorama these are views in all directions; see `panoramas.views`.

    Parameters
    ----------
    path : Path
    size : int
        Height and width of what is returned.
    count : int
    rng : Generator

    Yields
    ------
    ndarray, (size, size, 3), uint8
        Display values, reduced from at least that many pixels where the photograph has them.
    """
    if path.suffix.lower() == panoramas.ENDING:
        yield from panoramas.views(path, size, count, rng)
        return
    with Image.open(path) as file:
        image = file.convert("RGB")
        shortest = min(image.size)
        for _ in range(count):
            side = max(round(shortest * rng.uniform(0.3, 1)), min(size, shortest))
            left, top = (int(rng.integers(0, extent - side + 1)) for extent in image.size)
            box = (left, top, left + side, top + side)
            yield np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box))


def is_shiny(path: Path) -> bool:
    """Whether a photograph is of shiny things, by its name (`SHINY`)."""
    return any(word in path.name for word in SHINY)


def labelled(image: Bytes, glared: float, rng: np.random.Generator) -> tuple[Bytes, float]:
    """Stick labels on some photographs (`LABELLED`), which are then not likely to have glare."""
    return (stuck(image, rng), 0.0) if rng.random() < LABELLED else (image, glared)


def stuck(image: Bytes, rng: np.random.Generator) -> Bytes:
    """Stick labels on what a photograph shows; see `unshine.synth.stay.labels`."""
    return np.asarray(labels.labelled(Image.fromarray(image), rng))


def cut_highlights(paths: list[Path], rng: np.random.Generator) -> Tensor | None:
    """Cut highlights to transplant, (N, 1, 96, 96), out of photographs of shiny things."""
    chosen = (paths[k] for k in rng.permutation(len(paths))[:200])
    patches = [patch for path in chosen for patch in excess(path, 96, rng)]
    return torch.from_numpy(np.stack(patches))[:, None] if patches else None


def excess(path: Path, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Cut the highlights out of a photograph of shiny things.

    Parameters
    ----------
    path : Path
    size : int
        Height and width of the patches.
    rng : Generator

    Yields
    ------
    ndarray, (size, size), float32
        The least channel's excess over its surroundings, linear, 1 at its brightest and 0 towards
        the patch's edge.
    """
    with Image.open(path) as file:
        image = file.convert("RGB")
        scale = 348 / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        light = torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]
    least = optics.decode(light).amin(1, keepdim=True)
    vivid = light.amax(1, keepdim=True) - light.amin(1, keepdim=True)
    reach = 13
    opened = -F.max_pool2d(-least, 2 * reach + 1, 1, reach)
    opened = F.max_pool2d(opened, 2 * reach + 1, 1, reach)
    # Their surroundings are colourful, or this is paint, paper or a lamp.
    around = F.avg_pool2d(vivid, 2 * reach + 1, 1, reach)
    found = (least - opened - 0.03).clip(0, None)
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, size),) * 2, indexing="ij")
    window = (1.15 - torch.sqrt(x * x + y * y)).clip(0, 0.3) / 0.3
    strong = found * (around > 0.25)
    for _ in range(3):  # at most, of one photograph
        peak = int(strong.argmax())
        row, column = divmod(peak, strong.shape[-1])
        height = float(strong[0, 0, row, column])
        if height < 0.25:
            return
        half = size // 2
        strong[..., max(0, row - half) : row + half, max(0, column - half) : column + half] = 0
        top = int(np.clip(row - half + rng.integers(-12, 13), 0, found.shape[-2] - size))
        left = int(np.clip(column - half + rng.integers(-12, 13), 0, found.shape[-1] - size))
        patch = found[0, 0, top : top + size, left : left + size] * window
        share = float((patch > 0.3 * height).float().mean())
        if 0.002 < share < 0.15:
            yield (patch / patch.max()).numpy()


def light_up(
    random: BatchRandom,
    image: Tensor,
    library: Tensor | None,
    relief: Tensor,
    shiny: Tensor,
    bands: float = BANDS,
) -> Scene:
    """Make scenes of photographs: D is the photograph, R is drawn or transplanted.

    Parameters
    ----------
    random : BatchRandom
    image : Tensor, (B, 3, H, W)
        Photographs, display.
    library : Tensor, (N, 1, S, S), optional
        Highlights to transplant, from `cut_highlights`.
    relief : Tensor, (B, 1, H, W)
        In [0, 1], of what glare may be broken up by.
    shiny : Tensor, (B, 1, 1, 1) or (B, 1, H, W)
        1 where there is to be a highlight, else 0.
    bands : float
        How often glare runs across all of the image.

    Returns
    -------
    Scene
        Its albedo is 0 all over, which says that nobody knows it.
    """
    size = image.shape[-1]
    field = glare.broken(random, glare.draw(random, size, bands=bands), relief)
    if library is not None and len(library):
        moved = glare.transplant(random, library, size)
        field = torch.where(random.bernoulli(0.5) > 0, moved, field)
    # Relief of the thing itself shows in its highlight: a little of its own luminance.
    grain = image.mean(1, keepdim=True)
    around = F.avg_pool2d(grain, 9, 1, 4, count_include_pad=False)
    field = field * (1 + random.bernoulli(0.4) * random.uniform(1, 8) * (grain - around)).clip(0, 2)
    tint = (1 + 0.06 * random.normal(3) + random.bernoulli(0.2) * 0.15 * random.normal(3)).clip(
        0.5, 1.5
    )
    diffuse = optics.decode(image)
    nothing = torch.zeros_like(diffuse)
    return Scene(nothing, diffuse, field * tint * shiny, torch.ones_like(grain))
