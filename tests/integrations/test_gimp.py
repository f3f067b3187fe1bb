"""The GIMP plug-in: how it calls the program, anywhere; what it does to images, in a real GIMP 3.

There GIMP runs without a window, and a stand-in for the program removes a known "highlight"
(`dimmed`), so that every value can be told.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import unshine
from unshine import optics

SIZE = 48
decode, encode = (partial(curve, transfer="srgb") for curve in (optics.decode, optics.encode))
"""GIMP's curve for images without a colour profile."""
PLUG_IN = Path(__file__).parents[2] / "integrations" / "gimp" / "unshine"
SOURCE = Path(unshine.__file__).parents[1]
LEVEL = 1 / 255

START = """#!{python}
import sys

sys.path.insert(0, {source!r})
"""
STAND_IN = """
from dataclasses import replace
import numpy
from unshine.io import stills

source, target = sys.argv[2], sys.argv[4]
if sys.argv[5:] == ["--sensitivity", "1.0000"]:
    sys.exit(f"unshine: {source}: it is refused;\\nchoose another one.")
assert sys.argv[5:] == ["--sensitivity", "0.5000"]
still = stills.read(source)
pixels = still.pixels.copy()
assert pixels.dtype == numpy.uint16
pixels[10:30, 10:40] = numpy.rint(pixels[10:30, 10:40] * 0.3)
stills.write(replace(still, pixels=pixels), target)
"""
REAL = """
from unshine.cli.main import app

app()
"""


def gimp() -> str:
    for name in ("gimp-console-3.0", "gimp-console-3", "gimp-console"):
        found = shutil.which(name)
        if found:
            said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True)
            if " version 3." in said.stdout:
                return found
    pytest.skip("GIMP 3 is not installed")


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(START.format(python=sys.executable, source=str(SOURCE)) + text)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def photograph():
    rng = np.random.default_rng(0)
    pixels = rng.random((SIZE, SIZE, 3), np.float32)
    pixels[12:28, 12:28] = pixels[12:28, 12:28] * 0.1 + 0.9
    return pixels


@pytest.fixture(scope="module")
def results(tmp_path_factory, photograph):
    console = gimp()
    folder = tmp_path_factory.mktemp("gimp")
    shutil.copytree(PLUG_IN, folder / "profile" / "plug-ins" / "unshine")
    program(folder / "bin" / "unshine", STAND_IN)
    (folder / "pixels").write_bytes(photograph.tobytes())
    session = Path(__file__).with_name("gimp_session.py")
    environment = os.environ | {
        "GIMP3_DIRECTORY": str(folder / "profile"),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "UNSHINE_PIXELS": str(folder / "pixels"),
        "UNSHINE_RESULTS": str(folder / "results.json"),
        "UNSHINE_PROGRAM": str(program(folder / "real" / "unshine", REAL)),
    }
    batch = f"exec(compile(open({str(session)!r}).read(), 'session', 'exec'))"
    command = [console, "-i", "-d", "-f", "--batch-interpreter=python-fu-eval", "-b", batch]
    done = subprocess.run(
        [*command, "--quit"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    written = folder / "results.json"
    assert written.exists(), done.stdout + done.stderr
    return json.loads(written.read_text())


def error(found):
    """The largest difference from what the stand-in made, in levels of 8 bits."""
    return np.abs(array(found["after"]) - dimmed(array(found["before"]))).max() / LEVEL


def array(values):
    return np.array(values, np.float32).reshape(SIZE, SIZE, 3)


def dimmed(before):
    after = before.copy()
    after[10:30, 10:40] = np.rint(np.rint(before[10:30, 10:40] * 65535) * 0.3) / 65535
    return after


@pytest.fixture
def plug_in(monkeypatch):
    """The plug-in's file, without GIMP: only what does not touch an image can be called."""
    precision = SimpleNamespace(U8_LINEAR=0, U8_NON_LINEAR=1, U8_PERCEPTUAL=2)
    base = type("PlugIn", (), {"__gtype__": None})
    gimp = SimpleNamespace(PlugIn=base, Precision=precision, main=lambda *_: None)
    gi, repository = ModuleType("gi"), ModuleType("gi.repository")
    gi.require_version = lambda *_: None
    repository.Gimp = gimp
    repository.Gegl = repository.Gio = repository.GLib = repository.GObject = None
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    return SimpleNamespace(**runpy.run_path(str(PLUG_IN / "unshine.py")))


def test_the_program_is_found_by_its_path_or_in_path(plug_in, tmp_path, monkeypatch):
    path = program(tmp_path / "with a space" / "unshine", "")
    assert plug_in.find_program(f" {path} ") == str(path)
    monkeypatch.setenv("PATH", str(path.parent))
    assert plug_in.find_program("unshine") == str(path)


def test_a_program_that_is_not_there_is_told(plug_in):
    with pytest.raises(plug_in.Failure, match="The program 'no such program' was not found"):
        plug_in.find_program("no such program")


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            "sys.exit(f'unshine: {sys.argv[2]}: it is\\n damaged.')",
            "unshine: the layer: it is damaged.",
        ),
        ("sys.exit(3)", "unshine stopped with exit code 3."),
        ("", "unshine stopped with exit code 0."),
    ],
)
def test_what_the_program_says_is_told(plug_in, tmp_path, text, sentence):
    path = program(tmp_path / "unshine", text)
    source, target = tmp_path / "image.png", tmp_path / "clean.png"
    with pytest.raises(plug_in.Failure) as failure:
        plug_in.remove(str(path), source, target, 0.5)
    assert str(failure.value).removeprefix(f"{tmp_path}{os.sep}") == sentence


def test_a_file_that_is_no_program_is_told(plug_in, tmp_path):
    path = tmp_path / "unshine"
    path.write_bytes(b"\0")
    path.chmod(0o755)
    with pytest.raises(plug_in.Failure, match="cannot be started"):
        plug_in.remove(str(path), tmp_path / "image.png", tmp_path / "clean.png", 0.5)


def test_the_program_does_not_see_where_gimp_s_own_python_is(plug_in, tmp_path, monkeypatch):
    text = "import json, os; json.dump(dict(os.environ), open(sys.argv[4], 'w'))"
    path = program(tmp_path / "unshine", text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OTHER", "kept")
    target = tmp_path / "clean.png"
    plug_in.remove(str(path), tmp_path / "image.png", target, 0.5)
    seen = json.loads(target.read_text())
    assert "PYTHONPATH" not in seen
    assert seen["OTHER"] == "kept"


KINDS = ["8 bits", "16 bits", "16 bits, linear", "float", "float, linear", "grey", "alpha"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_image_minus_specular_is_what_unshine_made(results, kind):
    found = results[kind]
    assert found["status"] == "success", found["message"]
    assert found["layers"] == ["Specular", "photograph"]
    assert found["mode"] == "subtract"
    assert found["masked"]
    assert error(found) < 0.06


@pytest.mark.slow
def test_light_is_that_of_the_image_s_own_colour_profile(results):
    before, after = (array(results["Adobe RGB"][name]) for name in ("before", "after"))
    # GIMP hands both out as sRGB; Adobe RGB's curve is a power of 563/256.
    wanted = before.copy()
    wanted[10:30, 10:40] = encode(decode(before[10:30, 10:40]) * 0.3 ** (563 / 256))
    assert np.abs(after - wanted).max() < 0.3 * LEVEL  # 16-bit steps near black, through two curves


@pytest.mark.slow
def test_an_image_of_8_bits_becomes_one_of_16(results):
    assert results["8 bits"]["precision"] == "u16-non-linear"


@pytest.mark.slow
def test_an_image_may_stay_at_8_bits_at_a_loss(results):
    found = results["8 bits, kept"]
    assert found["precision"] == "u8-non-linear"
    assert 0.5 < error(found) < 14


@pytest.mark.slow
def test_opacity_is_strength_in_linear_light(results):
    before, after = (array(results["half"][name]) for name in ("before", "after"))
    light, clean = decode(before), decode(dimmed(before))
    assert np.abs(after - encode(light + 0.5 * (clean - light))).max() < 0.06 * LEVEL


@pytest.mark.slow
def test_a_selection_becomes_the_mask(results):
    before, after = (array(results["selection"][name]) for name in ("before", "after"))
    half = SIZE // 2
    assert np.abs(after[:, :half] - dimmed(before)[:, :half]).max() < 0.06 * LEVEL
    assert np.abs(after[:, half:] - before[:, half:]).max() < 0.06 * LEVEL


@pytest.mark.slow
def test_the_real_program_gives_what_the_library_gives(results, photograph):
    found = results["photograph"]
    assert found["status"] == "success", found["message"]
    pixels = np.rint(array(found["before"]) * 65535).astype(np.uint16)
    wanted = unshine.remove(pixels).astype(np.float32) / 65535
    assert (array(found["before"]) - wanted).max() > 10 * LEVEL
    # What the network brightened cannot be subtracted in integers.
    wanted = np.minimum(wanted, array(found["before"]))
    assert np.abs(array(found["after"]) - wanted).max() < 0.06 * LEVEL


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, sentence",
    [
        ("no program", "The program 'no such program' was not found."),
        ("refused", "unshine: the layer: it is refused; choose another one."),
    ],
)
def test_a_failure_is_told_and_leaves_the_image_alone(results, kind, sentence):
    found = results[kind]
    assert found["status"] == "execution-error"
    assert found["message"].startswith(sentence)
    assert found["layers"] == ["photograph"]
    assert found["precision"] == "u8-non-linear"
    assert found["before"] == found["after"]
    assert found["images"] == 1
