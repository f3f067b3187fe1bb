import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unshine import optics
from unshine.cli.main import app
from unshine.io import layered, stills
from unshine.remover import Analysis, Remover


class Shell:
    """Runs `unshine remove` with the tiny network."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.out = ""
        """What went to stdout."""

    def __call__(self, *arguments: object, status: int, quiet: bool = True) -> str:
        """Return what went to stderr: nothing after success, unless it need not be quiet."""
        words = ["remove", *map(str, arguments), "--weights", str(self.weights)]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == status, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        if status == 0 and quiet:
            assert result.stderr == ""
        self.out = result.stdout
        return result.stderr


@pytest.fixture
def shell(tiny_weights: Path) -> Shell:
    return Shell(tiny_weights)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _save(path: str, seed: int = 0) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_pixels(seed)).save(file)
    return file


def _load(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def _files(path: str = ".") -> list[str]:
    return sorted(str(p.relative_to(path)) for p in Path(path).rglob("*") if p.is_file())


def test_one_image(shell: Shell, tiny_weights: Path) -> None:
    _save("a.png")
    shell("a.png", "-o", "b.png", status=0)
    remover = Remover(weights=tiny_weights)
    assert np.array_equal(_load("b.png"), remover(_pixels()))
    shell("a.png", "-o", "half.png", "--strength", 0.5, status=0)
    assert np.array_equal(_load("half.png"), remover(_pixels(), 0.5))
    shell("a.png", "-o", "none.png", "--strength", 0, status=0)
    assert np.array_equal(_load("none.png"), _pixels())
    assert np.array_equal(_load("a.png"), _pixels())


def test_the_ending_says_the_format(shell: Shell) -> None:
    _save("a.png")
    shell("a.png", "-o", "b.JPG", status=0)
    with Image.open("b.JPG") as image:
        assert image.format == "JPEG"


def test_one_image_into_a_folder(shell: Shell) -> None:
    _save("a.png")
    Path("out").mkdir()
    shell("a.png", "-o", "out", status=0)
    assert _files("out") == ["a.png"]


def test_folders_and_globs(shell: Shell) -> None:
    for name in ("in/a.png", "in/b.JPG", "in/deep/c.png", "more/d.bmp", "more/e.webp", "f[1].png"):
        _save(name)
    Path("in/notes.txt").touch()
    Path("in/.hidden.png").touch()
    Path("in/folder.png").mkdir()
    # A file of that very name is meant before a pattern is.
    shell("in", "more/*.bmp", "f[1].png", "in/a.png", "./in/../in/a.png", "-o", "new/out", status=0)
    assert _files("new/out") == ["a.png", "b.JPG", "d.bmp", "f[1].png"]
    assert shell.out == "4 done, 1 left out (1 .txt), 2 folders not looked into\n"


def test_layers(shell: Shell, tiny_weights: Path) -> None:
    _save("a.jpg")
    shell("a.jpg", "-o", "b.jpg", "--save", "albedo,shading, diffuse,specular,mask", status=0)
    names = ("albedo", "shading", "diffuse", "specular", "mask")
    assert _files() == sorted(["a.jpg", "b.jpg", *(f"b_{name}.png" for name in names)])
    pixels = _load("a.jpg")
    layers = Remover(weights=tiny_weights).decompose(pixels)
    # Light is shown display-encoded, the mask is the highlight.
    for name, expected in {
        "albedo": layers.albedo,
        "shading": (layers.shading ** (1 / 2.2)).clip(0, 1),
        "specular": layers.specular ** (1 / 2.2),
        "mask": layers.highlight,
    }.items():
        assert np.abs(_load(f"b_{name}.png") / 255 - expected).max() < 0.51 / 255, name


def test_bad_inputs_are_named_and_the_rest_is_done(shell: Shell) -> None:
    _save("good.png")
    _save("good2.png")
    Path("empty.png").touch()
    Path("text.jpg").write_text("no image")
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:500])
    Image.fromarray(_pixels()).save("a.gif")
    Path("nothing").mkdir()
    bad = ["empty.png", "text.jpg", "cut.png", "a.gif", "missing.png", "nothing", "*.tif"]
    errors = shell("good.png", *bad, "good2.png", "-o", "out", status=1)
    assert _files("out") == ["good.png", "good2.png"]
    lines = errors.splitlines()
    assert len(lines) == len(bad)
    for name in bad:
        assert sum(line.startswith(f"unshine: {name}: ") for line in lines) == 1, name


@pytest.mark.parametrize("name", ["missing.png", "no/such/folder/a.png", "x" * 300 + ".png"])
def test_a_missing_input(shell: Shell, name: str) -> None:
    assert shell(name, "-o", "b.png", status=1).startswith(f"unshine: {name}: ")
    assert _files() == []


def test_existing_files_need_overwrite(shell: Shell) -> None:
    _save("a.png")
    Path("b.png").write_text("precious")
    assert "b.png exists already; add --overwrite" in shell("a.png", "-o", "b.png", status=1)
    assert Path("b.png").read_text() == "precious"
    shell("a.png", "-o", "b.png", "--overwrite", status=0)
    assert _load("b.png").shape == (20, 30, 3)
    # A layer's file counts too, and then nothing is written.
    Path("c_mask.png").write_text("precious")
    shell("a.png", "-o", "c.png", "--save", "mask", status=1)
    assert not Path("c.png").exists()


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_inputs_are_never_replaced(shell: Shell, overwrite: list[str]) -> None:
    _save("a.png", 1)
    _save("in/a.png", 2)
    os.symlink("a.png", "link.png")
    for arguments in (["a.png", "-o", "a.png"], ["a.png", "-o", "."], ["a.png", "-o", "link.png"]):
        errors = shell(*arguments, *overwrite, status=1)
        assert "would replace the input" in errors
        assert "--suffix" in errors
    shell("a.png", "in/a.png", "-o", "in", *overwrite, status=1, quiet=False)
    assert np.array_equal(_load("a.png"), _pixels(1))
    assert np.array_equal(_load("in/a.png"), _pixels(2))
    assert Path("link.png").is_symlink()


def test_results_beside_their_sources_with_a_suffix(shell: Shell) -> None:
    _save("in/a.png")
    shell("in", "-o", "in", "--suffix", "_clean", "--save", "mask", status=0)
    first = ["a.png", "a_clean.png", "a_clean_mask.png"]
    assert _files("in") == first
    shell("in", "-o", "in", "--suffix", "_clean", "--save", "mask", "--skip-existing", status=0)
    assert _files("in") == first
    assert shell.out == "0 done, 1 was there already\n"


def test_equal_names_are_settled_and_every_image_gets_its_result(
    shell: Shell, tiny_weights: Path
) -> None:
    _save("a/x.png", 1)
    _save("b/x.png", 2)
    told = shell("a", "b", "-o", "out", status=0, quiet=False)
    assert told == (
        "unshine: b/x.png: out/x.png is another image's result; this one's is out/b/x.png.\n"
    )
    remover = Remover(weights=tiny_weights)
    assert np.array_equal(_load("out/x.png"), remover(_pixels(1)))
    assert np.array_equal(_load("out/b/x.png"), remover(_pixels(2)))
    # The same can happen by way of the layers, or of a new ending.
    _save("c/y.png", 3)
    _save("c/y.bmp", 4)
    shell("c", "-o", "layers", "--save", "mask", status=0)
    assert _files("layers") == ["y.bmp", "y.bmp_mask.png", "y.png", "y.png_mask.png"]
    shell("c", "-o", "converted", "--format", "png", status=0, quiet=False)
    assert np.array_equal(_load("converted/y.png"), remover(_pixels(3)))
    assert np.array_equal(_load("converted/y.bmp.png"), remover(_pixels(4)))


def test_wrong_usage(shell: Shell) -> None:
    _save("a.png")
    _save("b.png")
    shell("a.png", status=2)
    shell("-o", "b.png", status=2)
    shell("a.png", "-o", "c", status=2)
    shell("a.png", "-o", "c.xyz", status=2)
    shell("a.png", "b.png", "-o", "c.png", status=2)
    Path("file").touch()
    shell("a.png", "b.png", "-o", "file", status=2)
    shell("a.png", "-o", "c.png", "--strength", "2", status=2)
    shell("a.png", "-o", "c.png", "--save", "albedo,gloss", status=2)
    shell("a.png", "-o", "c.png", "--engine", "abacus", status=2)
    shell("a.png", "-o", "c.png", "--device", "abacus", status=2)
    shell("a.png", "-o", "c.png", "--overwrite", "--skip-existing", status=2)
    shell("a.png", "-o", "-", "--ray", "auto", status=2)
    assert _files() == ["a.png", "b.png", "file"]


def test_targets_that_cannot_be_written(shell: Shell) -> None:
    _save("a.png")
    _save("b.png")
    Path("file").touch()
    assert "unshine: " in shell("a.png", "-o", "file/c.png", status=1)
    errors = shell("a.png", "b.png", "-o", "file/out", status=1)
    assert errors == "unshine: file/out: the folder cannot be made (Not a directory).\n"
    shell("a.png", "-o", "new/deep/b.png", status=0)
    os.unlink("new/deep/b.png")
    Path("out/a.png").mkdir(parents=True)
    assert "out/a.png" in shell("a.png", "-o", "out", "--overwrite", status=1)
    assert _files() == ["a.png", "b.png", "file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(shell: Shell) -> None:
    _save("a.png")
    Path("out").mkdir(mode=0o500)
    assert "no permission to write" in shell("a.png", "-o", "out", status=1)


def test_an_unforeseen_failure_is_one_image_s_failure(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save("a.png", 1)
    _save("b.png", 2)
    original = Remover.analyse

    def analyse(self: Remover, image: np.ndarray) -> Analysis:
        if np.array_equal(image, _pixels(1)):
            raise RuntimeError("of some\nkind")
        return original(self, image)

    monkeypatch.setattr(Remover, "analyse", analyse)
    errors = shell("a.png", "b.png", "-o", "out", status=1)
    assert errors == "unshine: a.png: this image failed (RuntimeError: of some kind).\n"
    assert shell.out == "1 done, 1 failed\n"
    assert _files("out") == ["b.png"]


def test_weights_that_cannot_be_used(shell: Shell) -> None:
    _save("a.png")
    shell.weights = Path("none.onnx")
    errors = shell("a.png", "-o", "b.png", status=1)
    assert errors == "unshine: none.onnx: there is no weights file here.\n"
    Path("none.onnx").write_text("no network")
    assert "cannot be loaded" in shell("a.png", "-o", "b.png", status=1)


def test_a_classical_method_instead_of_the_network(tmp_path: Path) -> None:
    shading = np.linspace(0.3, 0.9, 60)[None, :, None]
    diffuse = shading * np.ones((50, 1, 1)) * [0.6, 0.25, 0.1]
    light = diffuse.copy()
    light[20:30, 20:35] += 0.3
    pixels, truth = (np.rint(255 * optics.encode(x)).astype(np.uint8) for x in (light, diffuse))
    Image.fromarray(pixels).save(tmp_path / "in.png")
    command = ["remove", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")]
    assert CliRunner().invoke(app, [*command, "--method", "shen2013"]).exit_code == 0
    result = np.asarray(Image.open(tmp_path / "out.png"))
    before, after = (np.abs(x.astype(int) - truth).mean() for x in (pixels, result))
    assert after < 0.5 * before
    unknown = CliRunner().invoke(app, [*command, "--method", "tan1905", "--overwrite"])
    assert unknown.exit_code == 1
    assert "tan2005" in unknown.stderr
    layers = CliRunner().invoke(app, [*command, "--method", "shen2013", "--save", "albedo"])
    assert layers.exit_code == 2


def _tree() -> None:
    """A folder such as people have: a tree, other formats, unreadable files, litter."""
    for seed, name in enumerate(("a.jpg", "day1/b.jpg", "day1/deep/c.png", "day2/a.jpg", "e.jfif")):
        path = Path("tree", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if name.endswith(".png") else "JPEG"
        Image.fromarray(_pixels(seed)).save(path, kind, quality=95)
    Path("tree/IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    Path("tree/IMG_2.CR2").write_bytes(b"II*\0\x10\0\0\0CR\x02\0" + bytes(40))
    for name in ("notes.txt", "more.txt", "clip.mov", "Thumbs.db", ".DS_Store", "._a.jpg"):
        Path("tree", name).write_bytes(b"no image")


def test_a_tree_is_kept_and_everything_in_it_done_named_or_counted(shell: Shell) -> None:
    _tree()
    errors = shell("-r", "tree", "-o", "out/", status=1)
    assert _files("out") == ["a.jpg", "day1/b.jpg", "day1/deep/c.png", "day2/a.jpg", "e.jfif"]
    named = [line.split(": ")[1] for line in errors.splitlines()]
    assert sorted(named) == ["tree/IMG_1.HEIC", "tree/IMG_2.CR2"]
    assert shell.out == "5 done, 3 left out (2 .txt, 1 .mov), 2 failed\n"
    with Image.open("out/e.jfif") as image:
        assert image.format == "JPEG"


def test_without_recursion_folders_are_counted(shell: Shell) -> None:
    _tree()
    shell("tree", "-o", "out", status=1)
    assert _files("out") == ["a.jpg", "e.jfif"]
    assert "2 folders not looked into" in shell.out


def test_a_second_run_in_the_same_place_does_not_take_results_for_inputs(shell: Shell) -> None:
    _save("a.png")
    _save("day/b.png")
    shell("-r", ".", "-o", "clean", status=0)
    shell("-r", ".", "-o", "clean", "--skip-existing", status=0)
    assert shell.out == "0 done, 2 were there already\n"
    assert _files("clean") == ["a.png", "day/b.png"]


def test_a_wrong_ending_is_mended_and_told(shell: Shell) -> None:
    Path("in").mkdir()
    pixels = np.dstack([_pixels(), np.full((20, 30), 100, np.uint8)])
    Image.fromarray(pixels).save("in/0.jpg", "PNG")
    told = shell("in", "-o", "out", status=0, quiet=False)
    assert told == (
        "unshine: in/0.jpg: this is a PNG file under a wrong name; its result ends in .png.\n"
    )
    assert _files("out") == ["0.png"]
    assert _load("out/0.png").shape == (20, 30, 4)
    shell("in", "-o", "out", "--skip-existing", status=0)
    assert shell.out == "0 done, 1 was there already\n"


def test_a_file_in_which_nothing_shines_is_copied(shell: Shell) -> None:
    Path("in").mkdir()
    Image.fromarray(_pixels() // 2).save("in/matte.jpg", quality=60, progressive=True)
    shell("in", "-o", "out", status=0)
    assert Path("out/matte.jpg").read_bytes() == Path("in/matte.jpg").read_bytes()
    assert shell.out == "0 done, 1 unchanged\n"


def test_links_get_their_own_results(shell: Shell) -> None:
    _save("in/a.png")
    os.symlink("a.png", "in/b.png")
    shell("in", "-o", "out", status=0)
    assert _files("out") == ["a.png", "b.png"]
    assert not Path("out/b.png").is_symlink()


def test_times_are_kept_for_folders_and_on_request(shell: Shell) -> None:
    _save("in/a.png")
    os.utime("in/a.png", (1_000_000_000, 1_000_000_000))
    for arguments, kept in (
        (["in", "-o", "1/"], True),
        (["in", "-o", "2/", "--new-time"], False),
        (["in/a.png", "-o", "3/"], False),
        (["in/a.png", "-o", "4/", "--keep-time"], True),
    ):
        shell(*arguments, status=0)
        result = Path(arguments[2], "a.png")
        assert (result.stat().st_mtime == 1_000_000_000) == kept, arguments


def test_existing_files_are_kept_one_by_one(shell: Shell) -> None:
    _save("in/a.png", 1)
    _save("in/b.png", 2)
    shell("in", "-o", "out", status=0)
    Path("out/a.png").write_text("precious")
    os.unlink("out/b.png")
    shell("in", "-o", "out", "--save", "mask", "--skip-existing", status=0)
    assert Path("out/a.png").read_text() == "precious"
    assert _files("out") == ["a.png", "a_mask.png", "b.png", "b_mask.png"]


def test_pipes(shell: Shell, tiny_weights: Path) -> None:
    _save("a.png")
    expected = Remover(weights=tiny_weights)(_pixels())
    command = ["remove", "-", "-o", "-", "--weights", str(tiny_weights)]
    data = Path("a.png").read_bytes()
    result = CliRunner().invoke(app, command, input=data)
    assert result.exit_code == 0, result.stderr
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), expected)
    result = CliRunner().invoke(app, [*command, "--format", "webp"], input=data)
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == "WEBP"
    into_file = ["remove", "-", "-o", "b.png", "--save", "mask", "--weights", str(tiny_weights)]
    assert CliRunner().invoke(app, into_file, input=data).exit_code == 0
    assert _files() == ["a.png", "b.png", "b_mask.png"]
    result = CliRunner().invoke(app, command, input=b"no image")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("unshine: -: this is not a ")
    for wrong in (
        ["-", "a.png", "-o", "out"],
        ["a.png", "a.png", "in", "-o", "-"],
        ["-", "-o", "out/"],
        ["a.png", "-o", "-", "--save", "mask"],
    ):
        shell(*wrong, status=2)


def test_a_named_pipe_is_read_once_and_is_never_empty(shell: Shell) -> None:
    _save("a.png")
    os.mkfifo("pipe")
    data = Path("a.png").read_bytes()
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(data))
    writer.start()
    shell("pipe", "-o", "b.png", status=0)
    writer.join()
    assert _load("b.png").shape == (20, 30, 3)


def test_devices_are_refused(shell: Shell) -> None:
    errors = shell("/dev/zero", "-o", "out.png", status=1)
    assert errors == "unshine: /dev/zero: this is a device, not an image file.\n"


def test_layers_in_sixteen_bits(shell: Shell) -> None:
    _save("a.png")
    shell("a.png", "-o", "b.png", "--save", "mask,albedo", "--bit-depth", 16, status=0)
    assert stills.read("b_mask.png").pixels.dtype == np.uint16
    assert stills.read("b_albedo.png").pixels.dtype == np.uint16
    assert stills.read("b.png").pixels.dtype == np.uint16
    # A format that has no such depth keeps its own; the layers are what was meant.
    shell("a.png", "-o", "c.jpg", "--save", "mask", "--bit-depth", 16, status=0)
    assert stills.read("c_mask.png").pixels.dtype == np.uint16
    shell("a.png", "-o", "d.jpg", "--bit-depth", 16, status=1)


def test_layers_in_one_file(shell: Shell) -> None:
    _save("in/a.png")
    shell("in/a.png", "-o", "b.png", "--save-layers", "all.tif", status=0)
    found = layered.read("all.tif")
    assert list(found) == ["albedo", "shading", "diffuse", "specular", "clean", "highlight"]
    light = optics.decode(_load("b.png") / np.float32(255))
    assert np.abs(found["clean"] - light).max() < 0.01
    shell("in", "-o", "out", "--save-layers", "layers.tif", status=0)
    assert _files("out") == ["a.png", "a_layers.tif"]


def test_masks_for_photogrammetry(shell: Shell) -> None:
    pixels = np.full((20, 30, 3), 100, np.uint8)
    pixels[:4, :10] = 255
    Path("in").mkdir()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels).save("in/a.jpg", quality=95, exif=exif)
    shell("in", "-o", "out", "--save", "exclude", status=0)
    assert _files("out") == ["a.jpg", "a.jpg.mask.png"]
    assert Path("out/a.jpg").read_bytes() == Path("in/a.jpg").read_bytes()
    assert shell.out == "1 done; 6.7 % of the images is excluded\n"
    # The mask lies as the original is stored, and says the same about how to hold it.
    mask = _load("out/a.jpg.mask.png")
    assert np.array_equal(np.unique(mask), [0, 255])
    assert np.array_equal(mask == 0, (pixels == 255)[..., 0])
    with Image.open("out/a.jpg.mask.png") as image:
        assert image.getexif()[274] == 6
    shell("in/a.jpg", "-o", "c/", "--save", "exclude", "--exclude-style", "colmap", status=0)
    assert _files("c") == ["a.jpg", "a.jpg.png"]
    assert shell.out == "6.7 % of the image is excluded\n"
    told = shell("in", "-o", "d", "--save", "exclude", "--sensitivity", 1, status=0, quiet=False)
    assert "100 % of it is excluded" in told
    shell("in", "-o", "e", "--save", "exclude", "--format", "png", status=2)
    shell("in", "-o", "f", "--save", "exclude", "--save-layers", "all.tif", status=0)
    assert _files("f") == ["a.jpg", "a.jpg.mask.png", "a_all.tif"]


def test_masks_and_protection(shell: Shell, tiny_weights: Path) -> None:
    pixels = np.full((20, 30, 3), 230, np.uint8)
    Image.fromarray(pixels).save("a.png")
    drawn = np.zeros((20, 30), np.uint8)
    drawn[:, 15:] = 255
    Image.fromarray(drawn).save("right.png")
    shell("a.png", "-o", "masked.png", "--mask", "right.png", status=0)
    result = _load("masked.png")
    assert np.array_equal(result[:, :15], pixels[:, :15])
    assert (result[:, 15:] < 230).all()
    shell("a.png", "-o", "protected.png", "--protect", "right.png", status=0)
    result = _load("protected.png")
    assert np.array_equal(result[:, 15:], pixels[:, 15:])
    assert np.array_equal(
        result[:, :15], Remover(weights=tiny_weights)(np.ascontiguousarray(pixels))[:, :15]
    )
    # A mask may have been painted on a smaller copy, but on no other image.
    Image.fromarray(drawn[::2, ::2]).save("small.png")
    shell("a.png", "-o", "small_mask.png", "--mask", "small.png", status=0)
    assert np.array_equal(_load("small_mask.png")[:, :14], pixels[:, :14])
    Image.fromarray(drawn[:, :20]).save("other.png")
    errors = shell("a.png", "-o", "other_mask.png", "--mask", "other.png", status=1)
    assert errors.startswith("unshine: a.png: other.png has 20 × 20 pixels, the image 30 × 20;")
    shell("a.png", "-o", "no.png", "--mask", "missing.png", status=1)


def test_the_most_pixels_can_be_limited(shell: Shell) -> None:
    _save("a.png")
    errors = shell("a.png", "-o", "b.png", "--max-pixels", 599, status=1)
    assert "600" not in errors
    assert "--max-pixels" in errors
    shell("a.png", "-o", "b.png", "--max-pixels", 600, status=0)


def test_what_a_format_has_no_place_for_is_told(shell: Shell) -> None:
    Path("in").mkdir()
    image = Image.fromarray(_pixels())
    exif = Image.Exif()
    exif[315] = "me"
    image.save("in/a.jpg", exif=exif)
    told = shell("in", "-o", "out", "--format", "bmp", status=0, quiet=False)
    assert told == "unshine: in/a.jpg: not kept: EXIF.\n"


def test_several_processors(shell: Shell, tiny_weights: Path) -> None:
    remover = Remover(weights=tiny_weights)
    for seed in range(7):
        _save(f"in/{seed}.png", seed)
    Path("in/bad.png").write_text("no image")
    for processors in (1, 3):
        shell("in", "-o", f"out{processors}", "-j", processors, status=1)
        assert shell.out == "7 done, 1 failed\n"
        for seed in range(7):
            assert np.array_equal(_load(f"out{processors}/{seed}.png"), remover(_pixels(seed)))


def _start(weights: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "unshine", "remove", *arguments, "--weights", str(weights)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _contents(folder: str) -> dict[str, tuple[bytes, float]]:
    return {
        name: (Path(folder, name).read_bytes(), Path(folder, name).stat().st_mtime)
        for name in _files(folder)
        if not name.endswith("_mask.png")
    }


def _await_files(folder: str, count: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if Path(folder).is_dir() and len(_files(folder)) >= count:
            return
        time.sleep(0.002)


def test_a_job_that_was_killed_is_finished_by_the_same_command(
    shell: Shell, tiny_weights: Path
) -> None:
    for seed in range(60):
        path = Path("in", f"day{seed % 3}", f"{seed}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (200, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        os.utime(path, (seed + 1, seed + 1))
    arguments = ["-r", "in", "--save", "mask", "--skip-existing", "-j", "2"]
    process = _start(tiny_weights, *arguments, "-o", "out")
    _await_files("out", 6, process)
    process.kill()
    process.communicate()
    assert 6 <= len(_files("out")) < 120, "it was to be killed in the middle"
    shell(*arguments, "-o", "out", status=0)
    assert "already" in shell.out
    shell(*arguments, "-o", "undisturbed", status=0)
    assert _files("out") == _files("undisturbed")
    assert _contents("out") == _contents("undisturbed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_leaves_whole_files_only(tiny_weights: Path, number: int) -> None:
    for seed in range(60):
        _save(f"in/{seed}.png", seed)
    process = _start(tiny_weights, "in", "-o", "out", "-j", "2")
    _await_files("out", 4, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.startswith(b"unshine: stopped; ")
    assert b"Traceback" not in errors
    done = _files("out")
    assert 4 <= len(done) < 60
    for name in done:
        assert name.endswith(".png")
        assert not name.startswith(".")
        assert _load(f"out/{name}").shape == (20, 30, 3)


@pytest.mark.slow
def test_a_ray_cluster_does_the_same(shell: Shell, tiny_weights: Path) -> None:
    pytest.importorskip("ray")
    remover = Remover(weights=tiny_weights)
    for seed in range(3):
        _save(f"in/{seed}.png", seed)
    Path("in/bad.png").write_text("no image")
    errors = shell("in", "-o", "out", "--ray", "auto", status=1)
    assert errors.startswith("unshine: in/bad.png: ")
    assert shell.out == "3 done, 1 failed\n"
    for seed in range(3):
        assert np.array_equal(_load(f"out/{seed}.png"), remover(_pixels(seed)))
