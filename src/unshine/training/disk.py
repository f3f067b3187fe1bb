"""Batches of tuples from disk: read, cut out and mirrored as wholes; plain NumPy.

Both frameworks read through these functions, in worker processes of their own.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unshine import optics
from unshine.data import item
from unshine.data.item import Entry, Floats, resize_image
from unshine.data.readers import READERS
from unshine.errors import UnshineError
from unshine.training.settings import Settings, Target


@dataclass(frozen=True)
class Kinds:
    """Which pictures of a tuple a target is made of."""

    needed: tuple[str, ...]
    welcome: tuple[str, ...]
    """Those that are used where a dataset has them."""


KINDS: dict[Target, Kinds] = {
    "tuples": Kinds(("image", "diffuse"), ("albedo", "shading", "mask")),
    "scene": Kinds(("albedo", "shading", "specular"), ("mask",)),
    "paper": Kinds(("image", "albedo", "shading", "specular", "diffuse"), ("tone_corrected",)),
    "mixed": Kinds(("image", "diffuse"), ("specular", "tone_corrected")),
}


@dataclass(frozen=True)
class Dataset:
    """The tuples of one folder or list."""

    path: Path
    entries: tuple[Entry, ...]
    long_side: int | None = None
    """Larger pictures are reduced to this first."""


def find(path: Path, target: Target, skip_bad: bool = False) -> Dataset:
    """Find the tuples of a dataset that are for training, and see that their files are there.

    Parameters
    ----------
    path : Path
        A list file, or a folder in the layout of SSHR, SHIQ or PSD.
    target : Target
        What the tuples are for, which says what must be among their files.
    skip_bad : bool
        Whether to leave out bad tuples with a warning.

    Raises
    ------
    UnshineError
        If there are none, or bad ones.
    """
    if not path.exists():
        raise UnshineError(f"{path}: there is no such file or folder.")
    trainable = [reader for reader in READERS if reader.trainable]
    for reader in trainable:
        if entries := reader.find(path, "train", skip_bad):
            whole = [entry for entry in entries if _whole(entry, path, target, skip_bad)]
            if not whole:
                break
            return Dataset(path, tuple(whole), reader.long_side)
    raise UnshineError(
        f"{path}: holds no tuples for training; it must be a list file or a folder in the layout of"
        f" one of {', '.join(reader.name for reader in trainable)}."
    )


def _whole(entry: Entry, path: Path, target: Target, skip_bad: bool) -> bool:
    kinds = KINDS[target]
    where = entry.source or f"{path}, {entry.name}"
    if lacking := [kind for kind in kinds.needed if kind not in entry.files]:
        advice = ""
        if target == "paper" and "image" in entry.files:
            advice = "; --variant mixed does without albedo and shading"
        elif "shading" in entry.files:
            advice = "; --relight makes it from albedo, shading and specular"
        item.reject(f"{where}: the tuple has no {' and no '.join(lacking)}{advice}.", skip_bad)
        return False
    for kind in (*kinds.needed, *kinds.welcome):
        if kind in entry.files and not entry.files[kind].is_file():
            item.reject(f"{where}: {entry.files[kind]} is missing.", skip_bad)
            return False
    return True


class Batches:
    """Batches by their number: what is in one depends on its number and the seed alone.

    Every tuple is seen once before any is seen again. Several datasets share each batch evenly.

    Parameters
    ----------
    datasets : list of Dataset
    target : Target
        What becomes of a tuple: see `FIELDS`.
    batch, size : int
        Tuples a batch; their height and width.
    seed : int
    augment : bool
        Whether squares are cut out anywhere and mirrored, or from the middle and as they are.
    skip_bad : bool
        Whether to take another tuple, with a warning, where one cannot be used.
    """

    def __init__(
        self,
        datasets: list[Dataset],
        target: Target,
        batch: int,
        size: int,
        seed: int,
        augment: bool = True,
        skip_bad: bool = False,
    ) -> None:
        self.datasets, self.target = datasets, target
        self.batch, self.size, self.seed = batch, size, seed
        self.augment, self.skip_bad = augment, skip_bad

    def __getitem__(self, index: int) -> tuple[Floats, ...]:
        """Read a batch: (B, C, size, size) for each of the target's fields.

        Raises
        ------
        UnshineError
            If a tuple is bad and bad ones are not to be skipped.
        """
        made = [self._one(index * self.batch + place) for place in range(self.batch)]
        return tuple(np.stack(parts) for parts in zip(*made, strict=True))

    def _one(self, number: int) -> tuple[Floats, ...]:
        number, which = divmod(number, len(self.datasets))
        dataset = self.datasets[which]
        count = len(dataset.entries)
        epoch, place = divmod(number, count)
        order = _order(self.seed, which, epoch, count)
        rng = np.random.default_rng((self.seed, which, number))
        for step in range(count):
            entry = dataset.entries[order[(place + step) % count]]
            try:
                layers = self._read(entry, dataset.long_side)
            except UnshineError as error:
                item.reject(str(error), self.skip_bad)
                continue
            cut = framed(layers, self.size, rng if self.augment else None)
            planes = {kind: np.moveaxis(x, 2, 0) for kind, x in cut.items()}
            return tuple(np.ascontiguousarray(x, np.float32) for x in _made(planes, self.target))
        raise UnshineError(f"{dataset.path}: not one tuple can be used.")

    def _read(self, entry: Entry, long_side: int | None) -> dict[str, Floats]:
        kinds = KINDS[self.target]
        welcome = [kind for kind in kinds.welcome if kind in entry.files]
        layers = item.read_layers(entry, (*kinds.needed, *welcome))
        height, width = next(iter(layers.values())).shape[:2]
        # Smaller pictures than asked for are enlarged, larger ones reduced where the protocol says.
        scale = min(1.0, (long_side or np.inf) / max(height, width))
        scale = max(scale, self.size / min(height, width))
        if long_side is None and scale <= 1:
            return layers
        shape = (max(self.size, round(height * scale)), max(self.size, round(width * scale)))
        return {kind: resize_image(layer, shape) for kind, layer in layers.items()}


def batches(settings: Settings) -> Batches:
    """Make the batches that a run reads; with `relight`, of scenes.

    Raises
    ------
    UnshineError
        If a dataset cannot be used.
    """
    target: Target = "scene" if settings.relight else settings.target
    return Batches(
        [find(folder, target, settings.skip_bad) for folder in settings.folders],
        target,
        settings.batch - settings.procedural,
        settings.size,
        settings.seed,
        settings.augment,
        settings.skip_bad,
    )


def framed(
    layers: dict[str, Floats], size: int, rng: np.random.Generator | None
) -> dict[str, Floats]:
    """Cut the same square out of all layers of a tuple, and mirror all or none.

    Parameters
    ----------
    layers : dict of str to ndarray, (H, W, C)
        Of one height and width, both at least `size`.
    size : int
    rng : Generator or None
        Without one, the square is in the middle and not mirrored.
    """
    height, width = next(iter(layers.values())).shape[:2]
    if rng is None:
        top, left, turn = (height - size) // 2, (width - size) // 2, 1
    else:
        top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        turn = -1 if rng.random() < 0.5 else 1
    return {
        kind: layer[top : top + size, left : left + size][:, ::turn]
        for kind, layer in layers.items()
    }


@lru_cache(maxsize=8)
def _order(seed: int, which: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, which, epoch, count)).permutation(count)


def _made(layers: dict[str, Floats], target: Target) -> tuple[Floats, ...]:
    """Make a target's fields, in their order, of layers (C, H, W)."""
    if target == "scene":
        return _scene(layers)
    if target == "tuples":
        return _tuple(layers)
    image, diffuse = layers["image"], layers["diffuse"]
    albedo, shading = (layers.get(kind, np.zeros_like(image)) for kind in ("albedo", "shading"))
    specular = layers["specular"] if "specular" in layers else optics.encode(_residue(layers))
    return image, albedo, shading, specular, diffuse, layers.get("tone_corrected", diffuse)


def _residue(layers: dict[str, Floats]) -> Floats:
    """R as the camera leaves it: what is clipped away from the image is not in R either."""
    image, diffuse = optics.decode(layers["image"]), optics.decode(layers["diffuse"])
    residue: Floats = optics.residue(image, diffuse).clip(0, None)
    return residue


def _tuple(layers: dict[str, Floats]) -> tuple[Floats, ...]:
    """Make what `synth.camera.develop` makes; albedo and shading are 0 where nobody knows them."""
    image, diffuse = layers["image"], layers["diffuse"]
    mask = layers.get("mask", np.ones_like(image[:1]))
    clean = optics.tone_correction(diffuse[None], image[None], mask[None], channel_axis=1)[0]
    highlight = optics.highlight_map(image, clean, channel_axis=0)
    albedo = layers.get("albedo", np.zeros_like(image))
    shading = optics.decode(layers.get("shading", np.zeros_like(image)))
    return image, albedo, shading, _residue(layers), diffuse, clean, highlight, mask


def _scene(layers: dict[str, Floats]) -> tuple[Floats, ...]:
    """Linear light, as `synth.procedural.Scene` holds it."""
    albedo, shading, specular = (
        optics.decode(layers[kind]) for kind in ("albedo", "shading", "specular")
    )
    mask = layers.get("mask", np.ones_like(albedo[:1]))
    return albedo, albedo * shading, specular, mask
