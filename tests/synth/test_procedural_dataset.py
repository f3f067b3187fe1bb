"""Procedural tuples on disk."""

import numpy as np
import pytest
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth.layout import ALL
from unshine.synth.procedural_dataset import render_procedural


def load(folder, name):
    return np.asarray(Image.open(folder / name), np.float64) / 255


def test_a_dataset_is_listed_whole_and_obeys_the_physics(tmp_path):
    folder = tmp_path / "set"
    render_procedural(folder, 10, size=48)
    rows = [line.split() for line in (folder / "train_7_tuples.lst").read_text().splitlines()]
    assert len(rows) == 10
    assert all(len(row) == len(ALL) for row in rows)
    assert len((folder / "train_4_tuples.lst").read_text().splitlines()) == 10
    errors = []
    for row in rows:
        image, albedo, shading, specular, diffuse, _, _ = (load(folder, name) for name in row)
        assert image.shape == diffuse.shape == (48, 48, 3)
        product = optics.decode(albedo) * optics.decode(shading)
        error = product + optics.decode(specular) - optics.decode(image)
        stored_well = (shading < 1).all(-1) & (albedo > 0.1).all(-1)
        errors.append(error[stored_well])
    everywhere = np.concatenate(errors)
    assert len(everywhere) > 0.2 * 10 * 48 * 48
    # Eight bits a layer, and the camera's sharpening.
    assert np.sqrt(np.mean(everywhere**2)) < 0.01


def test_the_same_seed_makes_the_same_files(tmp_path):
    for name, count in (("a", 9), ("b", 12)):
        render_procedural(tmp_path / name, count, size=32, seed=4)
    for file in (tmp_path / "a").rglob("*_i.png"):
        other = tmp_path / "b" / file.relative_to(tmp_path / "a")
        assert file.read_bytes() == other.read_bytes()


def test_a_folder_in_use_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UnshineError, match="not empty"):
        render_procedural(tmp_path, 1, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
