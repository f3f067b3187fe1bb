"""Tuples from disk: whole, shuffled, mirrored and cropped together, in both frameworks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.training import disk
from unshine.training.recipes import UNSHINE, VARIANTS
from unshine.training.settings import PROCEDURAL, Settings
from unshine.training.torch_data import stream

ENDS = ("i", "a", "s", "r", "d", "d_tc", "m")


def dataset(folder: Path, count: int = 6, side: int = 320, first: int = 0) -> Path:
    """Tuples of rough noise, in which I = A·S + R and every image differs from its mirror."""
    rng = np.random.default_rng(first)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(first, first + count):
        shape = (side // 16, side // 16, 3)
        albedo, shading, specular = (rng.uniform(low, high, shape) for low, high in LEVELS)
        diffuse = albedo * shading
        layers = (diffuse + specular, albedo, shading, specular, diffuse, 0.9 * diffuse)
        names = [f"{number}_{end}.png" for end in ENDS]
        for name, linear in zip(names, (*layers, np.ones(shape)), strict=True):
            display = optics.encode(linear.repeat(16, 0).repeat(16, 1))
            Image.fromarray(np.rint(255 * display).astype(np.uint8)).save(folder / name)
        lines.append(" ".join(names))
    (folder / "train_7_tuples.lst").write_text("\n".join(lines))
    return folder


LEVELS = ((0.1, 0.9), (0.1, 0.6), (0.0, 0.4))


def settings(folder: Path, *data: Path | str, variant: str = "published", **changes) -> Settings:
    recipe = replace(VARIANTS[variant], batch=4)
    given = {"samples": 8, "recipe": recipe, "workers": 1}
    return Settings(folder, data=tuple(map(str, data)), **(given | changes))


def ours(size: int = 32, batch: int = 4):
    return replace(UNSHINE, size=size, batch=batch)


def error_of(fields: dict[str, np.ndarray]) -> float:
    """How far a batch of the paper's tuples is from I = A·S + R in linear light."""
    light = {name: optics.decode(x) for name, x in fields.items()}
    composed = optics.compose(light["albedo"], light["shading"], light["specular"])
    tone = abs(light["clean"] - 0.9 * light["diffuse"]).mean()
    return float(abs(composed - light["image"]).mean() + tone)


def check_whole(fields: Layers[np.ndarray]) -> None:
    layers = fields.given()
    assert error_of(layers) < 0.01
    for name, alone in layers.items():
        mirrored = layers | {name: alone[..., ::-1]}
        assert error_of(mirrored) > 0.02, "this test would not notice a layer mirrored alone"
        shifted = layers | {name: np.roll(alone, 40, 2)}
        assert error_of(shifted) > 0.02, "this test would not notice a layer cropped alone"


def test_tuples_stay_whole_in_torch(tmp_path):
    batches = stream(settings(tmp_path, dataset(tmp_path / "d")), torch.device("cpu"))
    for _ in range(2):
        truth = next(batches)
        assert truth.image.shape == (4, 3, 256, 256)
        check_whole(Layers(**{name: x.numpy() for name, x in truth.given().items()}))
    batches.close()


def test_tuples_stay_whole_in_mindspore(tmp_path):
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    from unshine.training import mindspore_data

    given = settings(tmp_path, dataset(tmp_path / "d"), workers=2)
    read = disk.batches(given)
    # From the third batch on, each second one: as the second of two resumed processes would.
    batches = mindspore_data.stream(given, first=3, stride=2)
    for number in (3, 5):
        fields = next(batches)
        check_whole(fields)
        assert same(fields, read[number])


def same(a: Layers[np.ndarray], b: Layers[np.ndarray]) -> bool:
    a, b = a.given(), b.given()
    return a.keys() == b.keys() and all(np.array_equal(x, b[name]) for name, x in a.items())


def numbers(truth: Layers) -> list[int]:
    """Which tuples these are: those of `plain` have their number as their value."""
    return [round(float(x.mean()) * 255) for x in truth.image]


def plain(folder: Path, *values: int, side: int = 32) -> Path:
    """Pairs without albedo and shading, as SHIQ has them, each of a single value."""
    folder.mkdir(parents=True)
    for value in values:
        for letter in "ADS":
            pixels = np.full((side, side, 3), value, np.uint8)
            Image.fromarray(pixels).save(folder / f"{value}_{letter}.png")
    return folder


def test_every_tuple_comes_once_before_any_comes_again(tmp_path):
    folder = plain(tmp_path / "d", *range(10, 70, 10))
    given = settings(tmp_path, folder, recipe=ours(batch=3))
    read, again, other = (disk.batches(x) for x in (given, given, replace(given, seed=7)))
    epochs = [numbers(read[2 * k]) + numbers(read[2 * k + 1]) for k in range(4)]
    assert all(sorted(epoch) == list(range(10, 70, 10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1, "not shuffled"
    # Whatever is read before.
    assert same(again[5], read[5])
    assert [numbers(other[k]) for k in range(8)] != [numbers(read[k]) for k in range(8)]


def test_datasets_share_batches_evenly(tmp_path):
    few, many = plain(tmp_path / "few", 10), plain(tmp_path / "many", *range(100, 200, 10))
    given = settings(tmp_path, few, many, recipe=ours())
    read = disk.batches(given)
    for number in range(5):
        assert sorted(n < 50 for n in numbers(read[number])) == [False, False, True, True]
    mixed = settings(tmp_path, PROCEDURAL, few, recipe=ours())
    assert [source.count for source in mixed.sources] == [2, 2]
    batches = stream(mixed, torch.device("cpu"))
    truth = next(batches)
    batches.close()
    assert numbers(truth)[2:] == [10, 10]
    assert numbers(truth)[:2] != [10, 10]


def test_without_augmentation_squares_come_from_the_middle(tmp_path):
    ramp = np.arange(64, dtype=np.float32)[None, :, None] + np.zeros((48, 1, 3), np.float32)
    crop = disk.crop_and_flip({"image": ramp}, 32, None)["image"]
    assert crop.shape == (32, 32, 3)
    assert crop[0, 0, 0] == 16
    rng = np.random.default_rng(0)
    cuts = [disk.crop_and_flip({"a": ramp, "b": 2 * ramp}, 32, rng) for _ in range(20)]
    assert all(np.array_equal(2 * c["a"], c["b"]) for c in cuts)
    lefts = {(float(c["a"][0, 0, 0]), float(c["a"][0, 1, 0] - c["a"][0, 0, 0])) for c in cuts}
    assert len(lefts) > 10
    assert {turn for _, turn in lefts} == {1, -1}


def test_small_images_are_enlarged(tmp_path):
    given = settings(tmp_path, plain(tmp_path / "d", 90, side=20), recipe=ours())
    assert disk.batches(given)[0].image.shape == (4, 3, 32, 32)


def test_pairs_become_tuples_with_unknown_albedo_and_shading(tmp_path):
    given = settings(tmp_path, plain(tmp_path / "d", 90), recipe=ours())
    truth = disk.batches(given)[0]
    assert not truth.albedo.any()
    assert not truth.shading.any()
    assert truth.mask.min() == 1
    assert np.allclose(truth.clean, truth.image, atol=1e-3)
    assert truth.highlight.max() == 0


def test_stored_tuples_become_ours(tmp_path):
    given = settings(tmp_path, dataset(tmp_path / "d"), recipe=ours(128))
    truth = disk.batches(given)[0]
    product = optics.decode(truth.albedo) * truth.shading
    assert abs(product - optics.decode(truth.diffuse)).mean() < 0.005
    image = product + truth.specular
    assert abs(image - optics.decode(truth.image)).mean() < 0.005
    assert truth.highlight.shape == truth.mask.shape == (4, 1, 128, 128)


def test_relit_tuples_differ_each_time_and_stay_true(tmp_path):
    given = settings(tmp_path, dataset(tmp_path / "d", count=1), relight=True, recipe=ours(64))
    batches = stream(given, torch.device("cpu"))
    truth = next(batches)
    batches.close()
    levels = truth.image.mean((1, 2, 3))
    assert levels.max() - levels.min() > 0.02
    residue = optics.decode(truth.image) - optics.decode(truth.diffuse)
    assert (residue - truth.specular).abs().mean() < 0.02


def test_bad_tuples_stop_or_are_skipped(tmp_path, caplog):
    folder = dataset(tmp_path / "d", count=3)
    (folder / "1_s.png").unlink()
    given = settings(tmp_path, folder)
    with pytest.raises(UnshineError, match=r"lst, line 2: .*1_s\.png is missing"):
        disk.batches(given)
    Image.fromarray(np.zeros((320, 320), np.uint8)).save(folder / "1_s.png")
    # Found out while reading, in another process: still one sentence.
    batches = stream(given, torch.device("cpu"))
    with pytest.raises(UnshineError, match=r"^[^\n]*lst, line 2: .*1_s\.png: is grey[^\n]*$"):
        for _ in range(3):
            next(batches)
    read = disk.batches(settings(tmp_path, folder, skip_bad=True))
    for number in range(3):
        check_whole(read[number])
    assert "1_s.png: is grey" in caplog.text
    for number in (0, 2):
        Image.fromarray(np.zeros((320, 320), np.uint8)).save(folder / f"{number}_s.png")
    with pytest.raises(UnshineError, match="not one tuple"):
        read[9]


def test_bad_tuples_are_one_sentence_from_mindspore_too(tmp_path):
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    from unshine.training import mindspore_data

    folder = dataset(tmp_path / "d", count=1)
    Image.fromarray(np.zeros((320, 320), np.uint8)).save(folder / "0_s.png")
    with pytest.raises(UnshineError, match=r"^[^\n]*lst, line 1: .*0_s\.png: is grey[^\n]*$"):
        next(mindspore_data.stream(settings(tmp_path, folder, workers=2)))


def test_what_a_dataset_lacks_is_said(tmp_path):
    pairs = plain(tmp_path / "d", 90)
    with pytest.raises(UnshineError, match=r"no albedo and no shading.*variant mixed"):
        disk.batches(settings(tmp_path, pairs))
    disk.batches(settings(tmp_path, pairs, variant="mixed"))
    pack = dataset(tmp_path / "pack", count=1)
    (pack / "train_7_tuples.lst").write_text("0_a.png 0_s.png 0_r.png")
    with pytest.raises(UnshineError, match=r"no image.*relight"):
        disk.batches(settings(tmp_path, pack))
    disk.batches(settings(tmp_path, pack, relight=True))
    with pytest.raises(UnshineError, match="holds no tuples"):
        disk.batches(settings(tmp_path, tmp_path / "d" / ".." / "pack" / "0_a.png"))
    with pytest.raises(UnshineError, match="no such file"):
        disk.batches(settings(tmp_path, tmp_path / "nowhere"))
