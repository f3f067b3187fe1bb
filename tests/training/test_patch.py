"""Pale patches in photographs: `benchmarks/patch.py`."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from unshine import engines
from unshine.networks import SHIPPED

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_patches_are_pale_and_what_lies_beside_them_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    patch = import_module("patch")
    image = np.full((96, 96, 3), (150, 70, 20), np.uint8)
    shares = []
    for seed in range(40):
        painted = patch.patched(image, np.random.default_rng(seed)).astype(int)
        changed = np.abs(painted - image).max(-1) > 60
        shares.append(changed.mean())
        if changed.any():
            spread = np.ptp(painted[changed], axis=-1)
            assert np.median(painted[changed].max(-1)) > 120
            assert np.median(spread) < 90  # 130 in the photograph
    assert 0.02 < np.median(shares) < 0.6


def test_keeps_what_weights_spoil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open map spoils some, a shut one none; photographs of shiny things are left out."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    patch = import_module("patch")
    things = tmp_path / "things"
    things.mkdir()
    rng = np.random.default_rng(3)
    low = Image.fromarray(rng.integers(20, 160, (8, 8, 3)).astype(np.uint8))
    low.resize((300, 300), Image.Resampling.BICUBIC).save(things / "potato.jpg")
    (things / "Apple.jpg").write_bytes(b"is not read")
    kept = {}
    for bias in (-99, 8):
        folder = tmp_path / f"bare{bias}"
        patch.main(SHIPPED.with_suffix(".onnx"), [things], folder, draw=4, bias=bias, seed=5)
        kept[bias] = sorted(folder.iterdir())
    assert not kept[-99]
    assert kept[8]
    with Image.open(kept[8][0]) as file:
        assert file.size == (patch.SIZE, patch.SIZE)


def test_sticks_labels_on_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    patch = import_module("patch")
    Image.new("RGB", (300, 300), (120, 60, 20)).save(tmp_path / "potato.jpg")
    folder = tmp_path / "labels"
    weights = SHIPPED.with_suffix(".onnx")
    patch.main(weights, [tmp_path], folder, paint="labels", draw=4, bias=8, seed=5)
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"labels"}


def test_refuses_folders_without_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    patch = import_module("patch")
    with pytest.raises(typer.BadParameter, match="no photographs"):
        patch.main(SHIPPED.with_suffix(".onnx"), [tmp_path], tmp_path / "out")


def test_the_rule_sees_labels_on_photographs_and_nothing_else_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    curve = import_module("operating_curve")
    monkeypatch.setattr(curve, "LABELLED", 8)
    Image.new("RGB", (300, 300), (120, 60, 20)).save(tmp_path / "potato.jpg")
    (tmp_path / "Apple.jpg").write_bytes(b"is not read")
    engine = engines.load("onnx", "cpu", SHIPPED.with_suffix(".onnx"))
    kinds, answers = zip(*curve.read_labelled(engine, tmp_path), strict=True)
    assert set(kinds) == {"labels on photographs"} and len(answers) == 8
    for said in answers:
        beside = said.image[~said.mask]
        assert np.abs(beside - np.array([120, 60, 20]) / 255).max() < 0.15
    assert 0.002 < np.mean([said.mask.mean() for said in answers]) < 0.5
