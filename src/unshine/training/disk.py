"""Batches of tuples from disk: read, cropped and mirrored as wholes; plain NumPy.

Both frameworks read through these functions, in worker processes of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine import optics, tone
from unshine.data import item
from unshine.data.item import Entry, resize_image
from unshine.data.readers import READERS
from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.pixels import Floats
from unshine.training.recipes import Recipe
from unshine.training.settings import Settings

Stored = dict[str, Floats]
"""What was read of one tuple, by its names in `data.item`: display values, (C, H, W)."""


@dataclass(frozen=True)
class Target:
    """How a recipe uses a tuple on disk: the layers it needs, and what it makes of them."""

    needs: tuple[str, ...]
    """Layers that it must have."""
    takes: tuple[str, ...]
    """Layers that are used where it has them."""
    make: Callable[[Stored], Layers[Floats]]


def target_of(recipe: Recipe) -> Target:
    """Return what a recipe makes of tuples on disk."""
    return Target(recipe.needs, recipe.takes, _as_stored if recipe.as_stored else _as_truth)


@dataclass(frozen=True)
class Dataset:
    """The tuples of one folder or list."""

    path: Path
    entries: tuple[Entry, ...]
    long_side: int | None = None
    """Larger images are reduced to this first."""


def find(path: Path, target: Target, skip_bad: bool = False) -> Dataset:
    """Find the tuples of a dataset that are for training, and see that their files are there.

    Parameters
    ----------
    path : Path
        A list file, or a folder in the layout of a dataset for training.
    target : Target
        Says what must be among their files.
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
            whole = [entry for entry in entries if _is_whole(entry, path, target, skip_bad)]
            if not whole:
                break
            return Dataset(path, tuple(whole), reader.long_side)
    raise UnshineError(
        f"{path}: holds no tuples for training; it must be a list file or a folder in the layout of"
        f" one of {', '.join(reader.name for reader in trainable)}."
    )


def _is_whole(entry: Entry, path: Path, target: Target, skip_bad: bool) -> bool:
    where = entry.source or f"{path}, {entry.name}"
    if lacking := [kind for kind in target.needs if kind not in entry.files]:
        advice = ""
        if "image" in entry.files and {"albedo", "shading"} & set(lacking):
            advice = "; the variant mixed does without albedo and shading"
        elif "shading" in entry.files:
            advice = "; it must be lit again (relight), from albedo, shading and specular"
        item.reject(f"{where}: the tuple has no {' and no '.join(lacking)}{advice}.", skip_bad)
        return False
    for kind in (*target.needs, *target.takes):
        if kind in entry.files and not entry.files[kind].is_file():
            item.reject(f"{where}: {entry.files[kind]} is missing.", skip_bad)
            return False
    return True


class Batches:
    """Batches by their number: what is in one depends on its number and the seed alone.

    Every tuple of a dataset is seen once before any is seen again.

    Parameters
    ----------
    datasets : list of Dataset
    counts : list of int
        How many tuples of a batch each gives.
    target : Target
        What becomes of a tuple.
    size : int
        Height and width of the crops.
    seed : int
    augment : bool
        Whether crops are anywhere and mirrored, or from the middle and as they are.
    skip_bad : bool
        Whether to take another tuple, with a warning, where one cannot be used.
    """

    def __init__(
        self,
        datasets: list[Dataset],
        counts: list[int],
        target: Target,
        size: int,
        seed: int,
        augment: bool = True,
        skip_bad: bool = False,
    ) -> None:
        self.datasets, self.counts, self.target = datasets, counts, target
        self.size, self.seed = size, seed
        self.augment, self.skip_bad = augment, skip_bad

    def __getitem__(self, index: int) -> Layers[Floats]:
        """Read a batch: (B, C, size, size) for each of the target's layers.

        Raises
        ------
        UnshineError
            If a tuple is bad and bad ones are not to be skipped.
        """
        tuples = [
            self._one(which, index * count + place)
            for which, count in enumerate(self.counts)
            for place in range(count)
        ]
        return merge(tuples, np.stack)

    def _one(self, which: int, number: int) -> Layers[Floats]:
        dataset = self.datasets[which]
        count = len(dataset.entries)
        epoch, place = divmod(number, count)
        order = epoch_order((self.seed, which, epoch, count))
        rng = np.random.default_rng((self.seed, which, number))
        for step in range(count):
            entry = dataset.entries[order[(place + step) % count]]
            try:
                layers = self._read(entry, dataset.long_side)
            except UnshineError as error:
                item.reject(str(error), self.skip_bad)
                continue
            crop = crop_and_flip(layers, self.size, rng if self.augment else None)
            return self.target.make({kind: np.moveaxis(x, 2, 0) for kind, x in crop.items()})
        raise UnshineError(f"{dataset.path}: not one tuple can be used.")

    def _read(self, entry: Entry, long_side: int | None) -> dict[str, Floats]:
        takes = [kind for kind in self.target.takes if kind in entry.files]
        layers = item.read_layers(entry, (*self.target.needs, *takes))
        height, width = next(iter(layers.values())).shape[:2]
        # Images smaller than asked for are enlarged, larger ones reduced where the dataset says so.
        scale = min(1.0, (long_side or np.inf) / max(height, width))
        scale = max(scale, self.size / min(height, width))
        if long_side is None and scale <= 1:
            return layers
        shape = (max(self.size, round(height * scale)), max(self.size, round(width * scale)))
        return {kind: resize_image(layer, shape) for kind, layer in layers.items()}


def batches(settings: Settings) -> Batches:
    """Make the batches that a run reads; with `relight`, of scenes in linear light (`SCENE`).

    Raises
    ------
    UnshineError
        If a dataset cannot be used.
    """
    target = SCENE if settings.relight else target_of(settings.recipe)
    sources = settings.of_kind("tuples")
    return Batches(
        [find(source.path, target, settings.skip_bad) for source in sources],
        [source.count for source in sources],
        target,
        settings.recipe.size,
        settings.seed,
        settings.augment,
        settings.skip_bad,
    )


def merge(parts: Sequence[Layers[Any]], join: Callable[[Any], Any]) -> Layers[Any]:
    """Join several batches, or tuples, layer by layer; all have the same layers.

    Parameters
    ----------
    parts : sequence of Layers
    join : callable
        From a list of arrays to one.
    """
    return Layers(**{name: join([getattr(x, name) for x in parts]) for name in parts[0].given()})


def crop_and_flip(
    layers: dict[str, Floats], size: int, rng: np.random.Generator | None
) -> dict[str, Floats]:
    """Crop the same square of all layers of a tuple, and mirror all or none.

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
def epoch_order(seed: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the order of an epoch; the last number of the seed is how many tuples there are."""
    return np.random.default_rng(seed).permutation(seed[-1])


def _as_stored(layers: Stored) -> Layers[Floats]:
    """The paper's truth: display values, as SSHR stores them."""
    image, diffuse = layers["image"], layers["diffuse"]
    unknown = np.zeros_like(image)
    specular = layers["specular"] if "specular" in layers else optics.encode(_residue(layers))
    return _single(
        image=image,
        albedo=layers.get("albedo", unknown),
        shading=layers.get("shading", unknown),
        specular=specular,
        diffuse=diffuse,
        clean=layers.get("tone_corrected", diffuse),
    )


def _as_truth(layers: Stored) -> Layers[Floats]:
    """Make what `synth.camera.develop` makes; albedo and shading are 0 where nobody knows them."""
    image, diffuse = layers["image"], layers["diffuse"]
    mask = layers.get("mask", np.ones_like(image[:1]))
    clean = tone.correction(diffuse[None], image[None], mask[None], channel_axis=1)[0]
    unknown = np.zeros_like(image)
    return _single(
        image=image,
        albedo=layers.get("albedo", unknown),
        shading=optics.decode(layers.get("shading", unknown)),
        specular=_residue(layers),
        diffuse=diffuse,
        clean=clean,
        highlight=optics.highlight_map(image, clean, channel_axis=0),
        mask=mask,
    )


def _as_scene(layers: Stored) -> Layers[Floats]:
    albedo, shading, specular = (
        optics.decode(layers[kind]) for kind in ("albedo", "shading", "specular")
    )
    mask = layers.get("mask", np.ones_like(albedo[:1]))
    return _single(albedo=albedo, diffuse=albedo * shading, specular=specular, mask=mask)


SCENE = Target(("albedo", "shading", "specular"), ("mask",), _as_scene)
"""For tuples that are lit again: albedo, diffuse and specular in linear light, and the mask."""


def _residue(layers: Stored) -> Floats:
    """R as the camera leaves it: what is clipped away from the image is not in R either."""
    image, diffuse = optics.decode(layers["image"]), optics.decode(layers["diffuse"])
    residue: Floats = optics.residue(image, diffuse).clip(0, None)
    return residue


def _single(**layers: Any) -> Layers[Floats]:
    return Layers(**{name: np.ascontiguousarray(x, np.float32) for name, x in layers.items()})
