"""Batches for MindSpore: every source that settings can name gives some."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mindspore", reason="MindSpore is not installed")

from unshine.training.mindspore_data import stream
from unshine.training.recipes import UNSHINE
from unshine.training.settings import Settings


@pytest.mark.parametrize("data", [("stay",), ("procedural", "stay")])
def test_what_is_made_during_training_fills_a_batch(tmp_path: Path, data: tuple[str, ...]) -> None:
    recipe = replace(UNSHINE, batch=4, size=32)
    settings = Settings(tmp_path, samples=4, recipe=recipe, data=data, workers=1)
    truth = next(stream(settings))
    assert truth.image.shape == (4, 3, 32, 32)
    assert tuple(truth.given()) == recipe.truth
