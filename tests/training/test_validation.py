"""Validation: what an untrained network scores is known exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unshine.errors import UnshineError
from unshine.networks import tshrnet
from unshine.networks.three_stage import FAST
from unshine.networks.three_stage.torch import ThreeStage
from unshine.training import validation
from unshine.training.recipes import UNSHINE
from unshine.training.torch import engine


def untrained() -> validation.TrainingEngine:
    return engine(ThreeStage(FAST), UNSHINE, torch.device("cpu"))


def test_the_set_is_fixed_and_has_both_kinds_of_images():
    first = validation.tuples()
    validation.tuples.cache_clear()
    for a, b in zip(first, validation.tuples(), strict=True):
        assert np.array_equal(a, b)
    strongest = (first.image - first.clean).max((1, 2, 3))
    assert 0.15 < (strongest > 0.2).mean() < 0.85


def test_an_untrained_network_fills_clipped_cores_and_changes_nothing_else(tmp_path: Path):
    matte = np.full((40, 50, 3), 120, np.uint8)
    shiny = matte.copy()
    shiny[10:20, 10:20] = 210  # below what counts as a core
    for name, image in (("dull", matte), ("bright", shiny)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        Image.fromarray(matte).save(tmp_path / f"{name}_gt.png")
    scores, sheet = validation.validate(untrained(), real=tmp_path)
    assert set(scores) > {"highlight", "gain", "change", "real gain", "real change"}
    assert 0 < scores["gain"] < 1  # of what is clipped in the synthetic set
    for name, value in scores.items():
        if name.startswith("real") and not name.endswith("highlight"):
            assert value == pytest.approx(0, abs=1e-4), name
    assert sheet.size == (12 * validation.SIZE, 8 * validation.SIZE)


def test_a_folder_without_pairs_is_named(tmp_path: Path):
    with pytest.raises(UnshineError, match="holds nothing in the layout"):
        validation.validate(untrained(), synthetic=0, real=tmp_path)


def test_any_function_is_scored_by_its_images(tmp_path: Path):
    rng = np.random.default_rng(0)
    truth = rng.integers(40, 200, (24, 32, 3)).astype(np.uint8)
    image = truth.copy()
    image[4:12, 4:12] += 40
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(truth).save(tmp_path / "a_gt.png")
    exact = np.moveaxis(truth[None] / np.float32(255), 3, 1)
    given = []

    def half_way(shown):
        given.append(shown)
        return {"clean": (shown + exact) / 2, "diffuse": exact}

    half = validation.TrainingEngine(half_way, ("clean", "diffuse"), tshrnet, "cpu")
    scores, sheet = validation.validate(half, synthetic=0, real=tmp_path)
    assert np.array_equal(given[0], np.moveaxis(image[None] / np.float32(255), 3, 1))
    assert scores["real gain"] == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert scores["real highlight"] == pytest.approx(20 * np.log10(255 / 20), abs=1e-3)
    assert scores["real diffuse gain"] > 60
    assert sheet.size == (6 * validation.SIZE, validation.SIZE)


def test_the_truth_of_clean_is_our_tone_or_the_stored_one(tmp_path: Path):
    image = np.full((16, 16, 3), 180, np.uint8)
    image[:8] = np.arange(60, 124, 4, dtype=np.uint8)[:, None]
    image[12:, 12:] = 250
    diffuse = image - 4
    diffuse[12:, 12:] = 120
    stored = np.full_like(image, 77)
    for end, pixels in (("i", image), ("d", diffuse), ("d_tc", stored), ("r", stored)):
        Image.fromarray(pixels).save(tmp_path / f"0_{end}.png")
    (tmp_path / "test_4_tuples.lst").write_text("0_i.png 0_r.png 0_d.png 0_d_tc.png")
    names = ("clean", "diffuse")
    same = validation.TrainingEngine(
        lambda image: dict.fromkeys(names, image), names, tshrnet, "cpu"
    )
    (ours,), (paper,) = (list(validation._folder(same, tmp_path, tone)) for tone in (False, True))
    assert np.allclose(paper.truth.clean, 77 / 255)
    matte = image[:8] / 255
    assert np.abs(ours.truth.diffuse[:8] - matte).max() > 0.015
    assert np.abs(ours.truth.clean[:8] - matte).max() < 0.003
