"""Batches for PyTorch from several sources."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import IterableDataset

from unshine.errors import UnshineError
from unshine.layers import NAMES, Layers
from unshine.training.recipes import PAPER, UNSHINE
from unshine.training.settings import Settings
from unshine.training.torch_data import ProceduralStream, stream


class GreyStream(IterableDataset):
    """A stand-in for photographs: grey, with unknown albedo and shading."""

    def __init__(self, folder: Path, size: int, batch: int, seed: int) -> None:
        self.shape = (batch, 3, size, size)

    def __iter__(self):
        layers = {name: torch.full(self.shape, 0.5) for name in NAMES}
        maps = {name: layers[name][:, :1] for name in ("highlight", "mask")}
        unknown = dict.fromkeys(("albedo", "shading"), torch.zeros(self.shape))
        while True:
            yield Layers(**(layers | maps | unknown))


def test_streams_depend_on_the_seed_alone():
    def first(seed: int) -> torch.Tensor:
        stream = ProceduralStream(32, 2, seed, torch.device("cpu"), reuse=2)
        return next(iter(stream)).image

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_photographs_and_stored_tuples_share_a_batch_as_told(tmp_path, monkeypatch):
    module = ModuleType("unshine.synth.photographs")
    module.PhotographStream = GreyStream
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for letter in "ADS":
        Image.fromarray(np.full((32, 32, 3), 51, np.uint8)).save(tmp_path / f"0_{letter}.png")
    given = Settings(
        tmp_path,
        samples=8,
        data=(str(tmp_path),),
        photos=tmp_path,
        share=(1, 3),
        recipe=replace(UNSHINE, batch=4, size=32),
        workers=0,
    )
    batches = stream(given, torch.device("cpu"))
    truth = next(batches)
    batches.close()
    levels = sorted(round(float(x), 2) for x in truth.image.mean((1, 2, 3)))
    assert levels == [0.2, 0.5, 0.5, 0.5]
    assert set(truth.given()) == set(NAMES)


def test_photographs_are_not_for_a_network_that_learns_albedo(tmp_path):
    with pytest.raises(UnshineError, match="photographs do not tell"):
        Settings(tmp_path, samples=8, photos=tmp_path, recipe=PAPER)
