import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unshine import optics
from unshine.cli.main import app
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


def test_one_picture(shell: Shell, tiny_weights: Path) -> None:
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


def test_one_picture_into_a_folder(shell: Shell) -> None:
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
    Path("text.jpg").write_text("no picture")
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


def test_an_unforeseen_failure_is_one_picture_s_failure(
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
