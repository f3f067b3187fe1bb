"""Validation: what an untrained network scores is known exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unshine.errors import UnshineError
from unshine.networks.three_stage import FAST
from unshine.networks.three_stage.torch import ThreeStage
from unshine.training import validation


def test_the_set_is_fixed_and_has_both_kinds_of_pictures():
    first = validation.tuples()
    validation.tuples.cache_clear()
    for a, b in zip(first, validation.tuples(), strict=True):
        assert torch.equal(a, b)
    strongest = (first.image - first.clean).amax((1, 2, 3))
    assert 0.15 < (strongest > 0.2).float().mean() < 0.85


def test_an_untrained_network_gains_nothing_and_changes_nothing(tmp_path: Path):
    matte = np.full((40, 50, 3), 120, np.uint8)
    shiny = matte.copy()
    shiny[10:20, 10:20] = 250
    for name, image in (("dull", matte), ("bright", shiny)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        Image.fromarray(matte).save(tmp_path / f"{name}_gt.png")
    scores, sheet = validation.validate(ThreeStage(FAST), tmp_path)
    assert set(scores) > {"highlight", "gain", "change", "real gain", "real change"}
    for name, value in scores.items():
        if name != "highlight":
            assert value == pytest.approx(0, abs=1e-4), name
    assert sheet.size == (12 * validation.SIZE, 8 * validation.SIZE)


def test_a_folder_without_pairs_is_named(tmp_path: Path):
    with pytest.raises(UnshineError, match="no pairs"):
        validation.validate(ThreeStage(FAST), tmp_path)
