"""What a training on a GPU is fed with: `benchmarks/training/on_gpu.py`, on the CPU."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training" / "on_gpu.py"


@pytest.fixture(scope="module")
def on_gpu() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("on_gpu", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_shelf_replaces_its_oldest_pictures(on_gpu: ModuleType) -> None:
    """Of five pictures put on a shelf of two places, the last two are left."""
    shelf = on_gpu.Shelf.empty("stay", 8, 1, 0)
    assert shelf.pixels.shape == (1, 2, 8, 8, 4)
    for level in range(5):
        shelf.put(0, np.full((8, 8, 3), level, np.uint8), level / 10)
    pixels, shiny = shelf.take(50, np.random.default_rng(0))
    assert set(pixels[..., 0].flatten().tolist()) == {3, 4}
    assert (pixels[..., 3] == 255).all()  # glare may lie everywhere
    assert torch.allclose(pixels[:, 0, 0, 0] / 10, shiny)


def test_shelf_gives_only_what_was_drawn(on_gpu: ModuleType) -> None:
    """Places that are still empty are not taken."""
    shelf = on_gpu.Shelf.empty("flat", 8, 3, 1)
    for worker in range(3):
        shelf.put(worker, np.full((8, 8, 4), 7, np.uint8), 1)
    pixels, _ = shelf.take(50, np.random.default_rng(0))
    assert (pixels == 7).all()


@pytest.mark.parametrize("batch", [16, 256])
def test_batches_of_all_sizes_cost_the_same(on_gpu: ModuleType, batch: int) -> None:
    """Larger tuples are fewer, and every kind but flat things is in each batch."""
    for size in on_gpu.SIZES:
        counts = on_gpu.counts(size, batch)
        whole = sum(counts.values())
        assert whole == max(4, batch * 128**2 // size**2)
        assert min(counts["stay"], counts["scenes"], counts["photographs"]) >= 1


def test_maker_makes_tuples(on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have the layers that the losses compare, of the right size, and some have glare."""
    monkeypatch.setattr(on_gpu, "SIZES", {64: 1.0})
    shelves = [on_gpu.Shelf.empty(kind, 64, 1, 1) for kind in ("stay", "flat", "photographs")]
    rng = np.random.default_rng(0)
    for shelf in shelves:
        for _ in range(4):
            shelf.put(0, rng.integers(0, 160, (64, 64, 3), np.uint8), 1.0)
    with torch.no_grad():
        maker = on_gpu.Maker(shelves, None, torch.device("cpu"), 1, 8, None)
        made = maker.batch(64, 16)
    assert {name: x.shape[1] for name, x in made.items()} == on_gpu.LAYERS
    for name, x in made.items():
        assert x.shape[2:] == (64, 64)
        assert x.isfinite().all(), name
    assert (made["highlight"].amax((1, 2, 3)) > 0.5).sum() > 8
