"""Endless batches for MindSpore: made during training, read from disk, or both in one batch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mindspore.dataset import GeneratorDataset
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.pixels import Floats
from unshine.training import disk
from unshine.training.settings import Settings

EPOCH_BATCHES = 1_000_000
"""Batches after which MindSpore's dataset begins again."""

Read = Callable[[int], Layers[Floats]]
"""From the number of a batch to the batch."""


def stream(settings: Settings, first: int = 0, stride: int = 1) -> Iterator[Layers[Floats]]:
    """Make the batches of a run, from number `first` on, each `stride`-th."""
    sources: list[Read] = []
    if settings.of_kind("procedural", "stay", "photos"):
        sources.append(_EndlessSource(settings))
    if settings.of_kind("tuples", "pool"):
        sources.append(_DiskSource(settings))
    return _mixed([_pipeline(settings, source, first, stride) for source in sources], settings)


def _mixed(parts: list[GeneratorDataset], settings: Settings) -> Iterator[Layers[Floats]]:
    iterators = [part.create_tuple_iterator(output_numpy=True) for part in parts]
    while True:
        batches = []
        for *arrays, error in (next(iterator) for iterator in iterators):
            if str(error):
                raise UnshineError(str(error))
            batches.append(Layers(**dict(zip(settings.recipe.truth, arrays, strict=True))))
        yield disk.merge(batches, np.concatenate)


def _pipeline(settings: Settings, read: Read, first: int, stride: int) -> GeneratorDataset:
    names = settings.recipe.truth
    return GeneratorDataset(
        _IndexedBatches(read, names, first, stride),
        [*names, "error"],
        shuffle=False,  # that is for `disk.Batches` to do, which knows the epochs
        num_parallel_workers=max(settings.readers, 1),
        python_multiprocessing=settings.readers > 1,
    )


class _IndexedBatches:
    """Batches by their number, as `GeneratorDataset` reads them: the layers, then an error.

    The error travels as text, since MindSpore would wrap an exception in a page of its own.
    """

    def __init__(self, read: Read, names: tuple[str, ...], first: int, stride: int) -> None:
        self.read, self.names, self.first, self.stride = read, names, first, stride

    def __len__(self) -> int:
        return EPOCH_BATCHES

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        try:
            batch = self.read(self.first + int(index) * self.stride)
        except UnshineError as error:
            nothing = np.zeros(1, np.float32)
            return (*[nothing] * len(self.names), np.array(str(error)))
        return (*(getattr(batch, name) for name in self.names), np.array(""))


class _DiskSource:
    """Reads batches from disk; lights them again with PyTorch where that is asked for."""

    def __init__(self, settings: Settings) -> None:
        self.batches: Any
        if settings.relight or settings.of_kind("pool"):
            from unshine.training.torch_data import IndexedBatches

            self.batches = IndexedBatches(settings)
        else:
            self.batches = disk.batches(settings)

    def __call__(self, number: int) -> Layers[Floats]:
        batch = self.batches[number]
        if isinstance(batch, UnshineError):
            raise batch
        return _numpy(batch)


class _EndlessSource:
    """Makes batches with PyTorch; each process has streams of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.streams: list[Iterator[Any]] = []

    def __call__(self, number: int) -> Layers[Floats]:
        import torch

        from unshine.training.torch_data import endless

        if not self.streams:
            torch.set_num_threads(1)
            seed = self.settings.seed * 1_000_003 + number
            found = endless(self.settings, seed, torch.device("cpu"))
            self.streams = [iter(stream) for stream in found]
        return disk.merge([_numpy(next(x)) for x in self.streams], np.concatenate)


def _numpy(batch: Any) -> Layers[Floats]:
    """Return a batch of any library's arrays, named as `Layers` are, as NumPy's."""
    return Layers(**{n: np.asarray(x) for n, x in batch._asdict().items() if x is not None})
