"""Each reader on a small folder in its dataset's layout."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unshine import optics
from unshine.data import item, mit_intrinsic, pairs, psd, readers, shen_zheng, shiq, sshr
from unshine.errors import UnshineError


def save(path: Path, value: float | np.ndarray = 0.5, size=(6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.broadcast_to(np.rint(np.asarray(value) * 255).astype(np.uint8), (*size, 3))
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return path


def save16(path: Path, pixels: np.ndarray, filters: bytes = b"\0\1\2") -> None:
    """Write a 16-bit colour PNG; rows use the given filters (none, left, above) in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, width * 6).astype(int)
    coded = b""
    for y in range(height):
        kind, row = filters[y % len(filters)], rows[y]
        if kind == 1:
            row = row - np.concatenate([np.zeros(6, int), row[:-6]])
        elif kind == 2:
            row = row - (rows[y - 1] if y else 0)
        coded += bytes([kind]) + (row % 256).astype(np.uint8).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(coded))
        + chunk(b"IEND", b"")
    )


def test_sixteen_bit_colour_is_read_in_full(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 7, 3))
    save16(tmp_path / "deep.png", pixels)
    assert np.array_equal(np.rint(item.read_image(tmp_path / "deep.png") * 65535), pixels)


def test_sixteen_bit_grey_is_read_in_full(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 7)).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    read = item.read_image(tmp_path / "deep.png")
    assert read.shape == (9, 7, 3)
    assert np.array_equal(np.rint(read[..., 1] * 65535), pixels)


def test_eight_bit_and_grey(tmp_path):
    assert np.allclose(item.read_image(save(tmp_path / "a.png", 0.2)), 0.2)
    Image.fromarray(np.full((3, 4), 51, np.uint8)).save(tmp_path / "grey.png")
    assert np.allclose(item.read_image(tmp_path / "grey.png"), np.full((3, 4, 3), 0.2))


def test_images_that_differ_in_their_ending_alone(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "a.bmp")
    with pytest.raises(UnshineError, match="same name"):
        item.images_in(tmp_path)


def sshr_tuple(folder: Path, name: str, ending="png") -> None:
    for index, end in enumerate(("i", "a", "s", "r", "d", "d_tc")):
        save(folder / f"{name}_{end}.{ending}", index / 10)
    save(folder / f"{name}_m.{ending}", np.arange(8)[:, None] < 5)


def test_sshr_lists(tmp_path):
    sshr_tuple(tmp_path / "SSHR", "test/m1/0001")
    seven = " ".join(f"SSHR/test/m1/0001_{e}.png" for e in ("i", "a", "s", "r", "d", "d_tc", "m"))
    four = " ".join(f"SSHR/test/m1/0001_{e}.png" for e in ("i", "r", "d", "d_tc"))
    (tmp_path / "test_tuples.lst").write_text(seven)
    (tmp_path / "train_7_tuples.lst").write_text(seven + "\n" + seven + "\n")
    (tmp_path / "four.lst").write_text(four + "\n\n")
    (entry,) = sshr.find(tmp_path)
    example = sshr.read(entry)
    assert example.name == "test/m1/0001"
    assert np.allclose(example.image, 0)
    assert np.allclose(example.diffuse, 0.4, atol=0.01)
    assert np.allclose(example.tone_corrected, 0.5, atol=0.01)
    assert example.mask.sum() == 6 * 5
    (entry,) = sshr.find(tmp_path / "four.lst")
    example = sshr.read(entry)
    assert np.allclose(example.diffuse, 0.4, atol=0.01)
    assert example.mask.all()


def test_sshr_without_a_list(tmp_path):
    sshr_tuple(tmp_path, "m1/0001")
    sshr_tuple(tmp_path, "m1/0002", "jpg")
    assert sorted(entry.name for entry in sshr.find(tmp_path)) == ["m1/0001", "m1/0002"]
    assert sshr.read(sshr.find(tmp_path)[0]).mask.sum() == 30


def test_sshr_takes_a_split_and_seven_before_four(tmp_path):
    ends = ("i", "a", "s", "r", "d", "d_tc", "m")
    for split in ("train", "test"):
        for count, chosen in ((7, ends), (4, ("i", "r", "d", "d_tc"))):
            line = " ".join(f"SSHR/{split}/m1/0_{e}.png" for e in chosen)
            (tmp_path / f"{split}_{count}_tuples.lst").write_text(line)
        (entry,) = sshr.find(tmp_path, split)
        assert entry.name == f"{split}/m1/0"
        assert set(entry.files) == set(sshr.SEVEN)
        assert entry.source == f"{tmp_path / split}_7_tuples.lst, line 1"
    for path in tmp_path.glob("train*"):
        path.unlink()
    assert sshr.find(tmp_path, "train") == []


def test_sshr_refuses_unclear_lists(tmp_path):
    for name in ("train_a_tuples.lst", "train_b_tuples.lst"):
        (tmp_path / name).write_text("a b c d\n")
    with pytest.raises(UnshineError, match="several lists"):
        sshr.find(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b c", "line 2 has 3 paths, not 4 or 7"),
        ("a b c d e f g", "line 2 has 7 paths, the lines before it others"),
        ("m/1_i.png m/1_r.png m/2_d.png m/1_d_tc.png", "line 2 mixes images"),
        ("m/1_i.png m/1_r.png m/1_r.png m/1_d_tc.png", "line 2 names one image twice"),
    ],
)
def test_bad_lines_are_named_or_skipped(tmp_path, caplog, line, words):
    good = "m/{0}_i.png m/{0}_r.png m/{0}_d.png m/{0}_d_tc.png"
    path = tmp_path / "odd.lst"
    path.write_text("\n".join((good.format(0), line, good.format(3))))
    with pytest.raises(UnshineError, match=words):
        sshr.find(path)
    assert [entry.name for entry in sshr.find(path, skip_bad=True)] == ["m/0", "m/3"]
    assert words in caplog.text


def test_sshr_packs_hold_albedo_shading_and_residue_alone(tmp_path):
    for end in ("a", "s", "r", "m"):
        save(tmp_path / "SSHR" / "train" / "m1" / f"1_{end}.webp", 0.4)
        save(tmp_path / "SSHR" / "test" / "m2" / f"1_{end}.webp", 0.4)
    (entry,) = sshr.find(tmp_path, "train")
    assert set(entry.files) == {"albedo", "shading", "specular", "mask"}
    names = " ".join(f"SSHR/train/m1/1_{end}.webp" for end in "asrm")
    (tmp_path / "train_tuples.lst").write_text(names)
    (listed,) = sshr.find(tmp_path, "train")
    assert listed.files == entry.files
    with pytest.raises(UnshineError, match="no image"):
        sshr.read(entry)


def test_layers_are_of_one_size_and_colour(tmp_path):
    sshr_tuple(tmp_path, "m1/0001")
    (tmp_path / "tuples.lst").write_text(
        " ".join(f"m1/0001_{e}.png" for e in ("i", "a", "s", "r", "d", "d_tc", "m"))
    )
    (entry,) = sshr.find(tmp_path / "tuples.lst")
    layers = item.read_layers(entry, entry.files)
    assert layers["mask"].shape == (6, 8, 1)
    assert layers["mask"].sum() == 30
    assert layers["albedo"][0, 0] == pytest.approx([0.1] * 3, abs=0.01)
    # A mask may be grey, and so may all the others at once.
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(entry.files["mask"])
    item.read_layers(entry, entry.files)
    Image.fromarray(np.full((6, 8), 99, np.uint8)).save(entry.files["shading"])
    with pytest.raises(UnshineError, match=r"lst, line 1: .*0001_s\.png: is grey"):
        item.read_layers(entry, entry.files)
    save(entry.files["shading"], size=(6, 9))
    with pytest.raises(UnshineError, match=r"line 1: .*0001_s\.png: is 9×6 and 0001_i\.png 8×6"):
        item.read_layers(entry, entry.files)
    entry.files["shading"].unlink()
    with pytest.raises(UnshineError, match=r"line 1: .*0001_s\.png: there is no such file"):
        item.read_layers(entry, entry.files)


def test_shiq_and_psd_have_splits(tmp_path):
    for split in ("train", "test"):
        for letter in "ADS":
            save(tmp_path / "SHIQ" / split / f"{split}_{letter}.png")
        for kind in ("specular", "diffuse"):
            save(tmp_path / "PSD" / f"PSD_{split.title()}_{kind}" / f"{split}.png")
        for reader, folder in ((shiq, "SHIQ"), (psd, "PSD")):
            (entry,) = reader.find(tmp_path / folder, split)
            assert entry.name == split
    assert "specular" in shiq.find(tmp_path / "SHIQ", "train")[0].files
    assert psd.find(tmp_path / "PSD" / "PSD_Test_specular", "train") == []


def test_shiq(tmp_path):
    for name, value in (("A", 0.8), ("D", 0.6), ("S", 0.2), ("T", 1)):
        save(tmp_path / "test" / f"12_{name}.png", value)
    save(tmp_path / "test" / "13_D.png")
    first, second = shiq.find(tmp_path)
    example = shiq.read(first)
    assert (example.name, example.image[0, 0, 0], example.diffuse[0, 0, 0]) == (
        "12",
        pytest.approx(0.8),
        pytest.approx(0.6),
    )
    with pytest.raises(UnshineError, match="13_A"):
        shiq.read(second)


def test_psd_groups_share_a_truth(tmp_path):
    for n in (3, 5):
        save(tmp_path / "PSD_Test/PSD_Test_specular" / f"group-0001-idx-{n:02}.png", 0.7)
    save(tmp_path / "PSD_Test/PSD_Test_diffuse/group-0001-idx-08.png", 0.4)
    save(tmp_path / "PSD_Test/PSD_Test_specular/b.png", 0.7)
    save(tmp_path / "PSD_Test/PSD_Test_diffuse/b.jpg", 0.3)
    save(tmp_path / "PSD_Train/PSD_Train_specular/c.png", 0.7)
    save(tmp_path / "PSD_Train/PSD_Train_diffuse/c.png", 0.7)
    entries = psd.find(tmp_path)
    assert [entry.name for entry in entries] == ["b", "group-0001-idx-03", "group-0001-idx-05"]
    truths = [psd.read(entry).diffuse.mean() for entry in entries]
    assert np.allclose(truths, [0.3, 0.4, 0.4], atol=0.01)


def mit_object(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    diffuse = rng.integers(1000, 20000, (10, 12, 3))
    specular = rng.integers(0, 5000, (10, 12, 1)).repeat(3, axis=2)
    for name, pixels in (
        ("diffuse", diffuse),
        ("specular", specular),
        ("original", diffuse + specular),
    ):
        save16(folder / f"{name}.png", pixels)
    Image.fromarray(np.pad(np.full((8, 8), 65025, np.uint16), ((1, 1), (2, 2)))).save(
        folder / "mask.png"
    )
    return diffuse, specular


@pytest.mark.parametrize("gain", [1, 4])
def test_mit_intrinsic(tmp_path, gain):
    diffuse, specular = mit_object(tmp_path / "apple")
    (entry,) = mit_intrinsic.find(tmp_path)
    example = mit_intrinsic.read(replace(entry, gain=gain))
    inside = diffuse[1:9, 2:10]
    exposure = 0.9 / np.percentile(inside, 99)
    light = np.clip((diffuse + gain * specular) * exposure, 0, 1)
    assert np.allclose(optics.decode(example.image), light, atol=1e-4)
    assert np.allclose(optics.decode(example.diffuse), np.clip(diffuse * exposure, 0, 1), atol=1e-4)
    assert example.mask.sum() == 64


def test_mit_object_that_lacks_a_file(tmp_path):
    mit_object(tmp_path / "apple")
    (tmp_path / "apple" / "original.png").unlink()
    (entry,) = mit_intrinsic.find(tmp_path)
    with pytest.raises(UnshineError, match=r"original\.png"):
        mit_intrinsic.read(entry)


def test_pairs_beside_each_other(tmp_path):
    save(tmp_path / "a.png", 0.7)
    save(tmp_path / "a_gt.jpg", 0.5)
    save(tmp_path / "a_mask.png", np.arange(8)[:, None] < 3)
    save(tmp_path / "b.png")
    save(tmp_path / "c_gt.png")
    a, b, c = pairs.find(tmp_path)
    example = pairs.read(a)
    assert np.allclose(example.diffuse, 0.5, atol=0.01)
    assert example.mask.sum() == 18
    assert not example.linear
    with pytest.raises(UnshineError, match="b_gt"):
        pairs.read(b)
    with pytest.raises(UnshineError, match=r"c\.png"):
        pairs.read(c)


@pytest.mark.parametrize("names", [("input", "truth"), ("shots", "answers")])
def test_pairs_in_two_folders(tmp_path, names):
    images, truths = (tmp_path / name for name in names)
    save(images / "a.png", 0.7)
    save(truths / "a.bmp", 0.5)
    save(truths / "b.png", 0.5)
    given = () if names[0] == "input" else (truths,)
    a, b = pairs.find(images if given else tmp_path, *given)
    assert np.allclose(pairs.read(a).diffuse, 0.5, atol=0.01)
    with pytest.raises(UnshineError, match=r"b\.png"):
        pairs.read(b)


def test_sizes_that_differ(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "a_gt.png", size=(6, 9))
    (entry,) = pairs.find(tmp_path)
    with pytest.raises(UnshineError, match="9×6 and the image 8×6"):
        pairs.read(entry)


def test_empty_mask(tmp_path):
    for name in ("a", "a_gt"):
        save(tmp_path / f"{name}.png")
    save(tmp_path / "a_mask.png", 0)
    with pytest.raises(UnshineError, match="mask is empty"):
        pairs.read(pairs.find(tmp_path)[0])


def test_shen_zheng_is_linear_and_only_theirs(tmp_path):
    for name in ("cups", "cups_gt", "fruit", "fruit_gt"):
        save(tmp_path / f"{name}.bmp")
    assert [shen_zheng.read(entry).linear for entry in shen_zheng.find(tmp_path)] == [True, True]
    save(tmp_path / "mine.png")
    save(tmp_path / "mine_gt.png")
    assert shen_zheng.find(tmp_path) == []
    assert len(pairs.find(tmp_path)) == 3


@pytest.mark.parametrize("module", [mit_intrinsic, pairs, psd, shen_zheng, shiq, sshr])
def test_other_folders_hold_nothing(module, tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "folder").mkdir()
    assert module.find(tmp_path) == []
    assert module.find(tmp_path / "a.png") == []


def test_real_folders(real_pairs):
    (example,) = map(sshr.read, sshr.find(real_pairs / "sshr-sample"))
    assert example.image.shape == (256, 256, 3)
    assert example.mask.mean() == pytest.approx(0.128, abs=0.001)
    objects = {
        e.name: mit_intrinsic.read(e) for e in mit_intrinsic.find(real_pairs / "mit-intrinsic")
    }
    assert len(objects) == 8
    apple = objects["apple"]
    light = optics.decode(apple.diffuse)[apple.mask]
    assert np.percentile(light, 99) == pytest.approx(0.9, abs=1e-3)
    assert [e.name for e in shen_zheng.find(real_pairs / "shen-zheng")] == list(shen_zheng.NAMES)


@pytest.mark.parametrize(
    ("shape", "size"), [((30, 40), (30, 40)), ((2048, 1024), (1024, 512)), ((3, 5000), (1, 1024))]
)
def test_large_images_of_psd_are_reduced(shape, size):
    assert readers.PSD.size(*shape) == size
    assert readers.SSHR.size(*shape) == shape


def test_a_folder_is_read_by_the_first_reader_that_knows_it(tmp_path):
    for name in ("cups", "cups_gt"):
        save(tmp_path / "four" / f"{name}.png")
    assert readers.find(tmp_path / "four")[0] is readers.SHEN_ZHENG
    assert readers.find(tmp_path / "four", [readers.MIT, readers.PAIRS])[0] is readers.PAIRS
    with pytest.raises(UnshineError, match=r"known dataset \(mit\)"):
        readers.find(tmp_path / "four", [readers.MIT])
    with pytest.raises(UnshineError, match="no such file"):
        readers.find(tmp_path / "none")


def test_resizing_averages():
    image = np.zeros((64, 64, 3), np.float32)
    image[::2] = 1
    assert np.allclose(item.resize_image(image, (8, 8)), 0.5, atol=0.02)
    assert item.resize_image(image, (64, 64)) is image
