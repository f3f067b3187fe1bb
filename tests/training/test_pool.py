"""Pools: scenes come back as they were rendered, each once before any again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth import patterns
from unshine.synth.procedural import Studio
from unshine.training import pool
from unshine.training.recipes import UNSHINE
from unshine.training.settings import Settings
from unshine.training.torch_data import stream


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SCENES", 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pool.write(tmp_path / "pool", 12, 48)
    return tmp_path / "pool"


def test_scenes_are_stored_as_they_were_rendered(folder):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        scene = Studio(48, patterns.atlas(16, 0)).render(8, generator)
    stored = np.load(folder / "scenes-00000.npy")
    assert np.allclose(stored, torch.cat(list(scene), 1).clip(0, 6e4), rtol=1e-3, atol=1e-4)
    assert (stored[:, :3] * stored[:, 6:9]).max() > 0


def test_all_layers_of_a_scene_are_viewed_alike():
    ramp = np.linspace(0, 1, 60, dtype=np.float16)
    layer = ramp[:, None] * 0.7 + ramp * 0.3
    scene = np.stack([layer * k for k in range(1, 11)])
    views = [pool.view(scene, 32, np.random.default_rng(seed)) for seed in range(60)]
    for one in views:
        assert one.shape == (10, 32, 32)
        assert one.dtype == np.float32
        assert all(np.allclose(one[k], one[0] * (k + 1), rtol=5e-3) for k in range(10))
    rising = [(one[0, 0, 1] > one[0, 0, 0], one[0, 1, 0] > one[0, 0, 0]) for one in views]
    assert {(True, True), (False, True)} <= set(rising), "mirrored, or not"
    assert sum(down for _, down in rising) > 40, "most stay upright"
    spans = [float(np.ptp(one[0])) for one in views]
    assert max(spans) > 0.9
    assert min(spans) < 0.6


def test_every_scene_comes_once_before_any_comes_again(folder):
    batches = pool.Pool(folder, 8, 48, seed=0)
    assert len(batches) == 16
    epochs = [[batches._scene(16 * epoch + k)[3].tobytes() for k in range(16)] for epoch in (0, 1)]
    assert epochs[0] != epochs[1]
    assert set(epochs[0]) == set(epochs[1])
    assert len(set(epochs[0])) == 16
    assert np.array_equal(batches[1].diffuse, pool.Pool(folder, 8, 48, seed=0)[1].diffuse)


def test_a_pool_grows_and_keeps_what_it_has(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    pool.write(folder, 24, 48)
    assert len(list(folder.iterdir())) == 3
    assert all(path.read_bytes() == held for path, held in before.items())


def test_tuples_of_a_pool_obey_the_physics(folder, tmp_path):
    recipe = replace(UNSHINE, batch=8, size=32)
    batches = stream(
        Settings(tmp_path, samples=8, pool=folder, recipe=recipe, workers=0), torch.device("cpu")
    )
    first, second = next(batches), next(batches)
    batches.close()
    assert first.image.shape == (8, 3, 32, 32)
    assert not torch.equal(first.image, second.image)
    residue = optics.decode(first.image) - optics.decode(first.diffuse)
    assert (residue.clip(0, None) - first.specular).abs().mean() < 0.02


def test_what_is_no_pool_is_said(folder, tmp_path):
    with pytest.raises(UnshineError, match="no pool of scenes"):
        pool.Pool(tmp_path, 8, 32, 0)
    for name, bytes_ in (("scenes-a.npy", b"torn"), ("scenes-b.npy", b"")):
        (tmp_path / name).write_bytes(bytes_)
        with pytest.raises(UnshineError, match="cannot be read as scenes"):
            pool.Pool(tmp_path, 8, 32, 0)
    np.save(tmp_path / "scenes-a.npy", np.zeros(3))
    with pytest.raises(UnshineError, match="holds no scenes"):
        pool.Pool(tmp_path, 8, 32, 0)
