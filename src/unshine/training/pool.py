"""Pools: procedural scenes rendered once, lit and photographed again for each batch.

A pool is a folder of NumPy files ``scenes-<number>.npy``, each float16, (N, 10, H, W): albedo,
diffuse and specular light (linear, unclipped), mask. Any number of them, of one height and width;
files are read by way of memory maps, so that a pool may be larger than the memory.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.files import writing
from unshine.layers import Layers
from unshine.pixels import Floats
from unshine.training.disk import epoch_order

CHANNELS = {
    "albedo": slice(0, 3), "diffuse": slice(3, 6), "specular": slice(6, 9), "mask": slice(9, 10),
}  # fmt: skip

SCENES = 256
"""In a file."""

BATCH = 8


def write(folder: Path, count: int, size: int, seed: int = 0) -> None:
    """Render scenes into a pool; files that are there already are kept, so that it can grow.

    Parameters
    ----------
    folder : Path
    count : int
        Scenes in all, rounded up to whole files of `SCENES`.
    size : int
        Height and width in pixels; training crops from them.
    seed : int
        Each file depends on it and the file's number alone: several processes with different
        numbers of files may write into one pool.
    """
    import torch

    from unshine.synth import patterns
    from unshine.synth.procedural import Studio

    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio(size, patterns.atlas(16, seed))
    for number in range(-(-count // SCENES)):
        path = folder / f"scenes-{number:05d}.npy"
        if path.exists():
            continue
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        with writing(path) as temporary:
            file = np.lib.format.open_memmap(temporary, "w+", np.float16, (SCENES, 10, size, size))
            for first in range(0, SCENES, BATCH):
                with torch.no_grad():
                    scene = studio.render(BATCH, generator)
                for name, channels in CHANNELS.items():
                    # Beyond what float16 holds, everything is clipped anyway.
                    values = getattr(scene, name).clip(0, 6e4).numpy()
                    file[first : first + BATCH, channels] = values
            file.flush()
            del file


class Pool:
    """Batches of scenes by their number; every scene is seen once before any is seen again.

    Parameters
    ----------
    folder : Path
    batch : int
        Scenes a batch.
    size : int
        Height and width of what is returned.
    seed : int

    Raises
    ------
    UnshineError
        If the folder holds no scenes.
    """

    def __init__(self, folder: Path, batch: int, size: int, seed: int) -> None:
        self.batch, self.size, self.seed = batch, size, seed
        self.files = tuple(sorted(folder.glob("scenes*.npy")))
        if not self.files:
            raise UnshineError(f"{folder}: is no pool of scenes; it holds no scenes*.npy.")
        self.ends = np.cumsum([len(_open(file)) for file in self.files])

    def __len__(self) -> int:
        """How many scenes there are."""
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Layers[Floats]:
        """Read batch `index`: albedo, diffuse, specular, mask, (B, C, size, size), linear light."""
        rng = np.random.default_rng((self.seed, index))
        numbers = range(index * self.batch, (index + 1) * self.batch)
        scenes = np.stack([view(self._scene(number), self.size, rng) for number in numbers])
        return Layers(**{name: scenes[:, channels] for name, channels in CHANNELS.items()})

    def _scene(self, number: int) -> NDArray[np.float16]:
        epoch, place = divmod(number, len(self))
        scene = int(epoch_order((self.seed, epoch, len(self)))[place])
        which = int(np.searchsorted(self.ends, scene, side="right"))
        before = int(self.ends[which - 1]) if which else 0
        return _open(self.files[which])[scene - before]


def view(scene: NDArray[np.float16], size: int, rng: np.random.Generator) -> Floats:
    """Look at a scene again: crop a square anywhere, resize, mirror and turn it.

    Most views stay upright, as light comes from above; close ones are enlarged, as photographs of
    many pixels are soft, pixel by pixel.

    Parameters
    ----------
    scene : ndarray, (C, H, W)
    size : int
        Height and width of the view.
    rng : Generator
    """
    import torch
    import torch.nn.functional as F

    side = min(scene.shape[1:])
    seen = side if rng.random() < 0.3 else round(side * 0.35 ** rng.random())
    top, left = (int(rng.integers(length - seen + 1)) for length in scene.shape[1:])
    crop = scene[:, top : top + seen, left : left + seen].astype(np.float32)
    if seen != size:
        mode = "bilinear" if seen < 1.5 * size else "area"
        crop = F.interpolate(torch.from_numpy(crop)[None], size=(size, size), mode=mode)[0].numpy()
    crop = crop[:, :, ::-1] if rng.random() < 0.5 else crop
    crop = np.rot90(crop, rng.integers(4), (1, 2)) if rng.random() < 0.2 else crop
    return np.ascontiguousarray(crop)


@lru_cache(maxsize=256)
def _open(path: Path) -> NDArray[Any]:
    """Map a file into memory, once in each process."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise UnshineError(f"{path}: cannot be read as scenes: {error}.") from error
    if array.ndim != 4 or array.shape[1] != 10:
        raise UnshineError(f"{path}: holds no scenes.")
    return array
