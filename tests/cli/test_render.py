"""`unshine render`, path traced: what it makes, and what it says when it cannot."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unshine import optics
from unshine.cli.main import app
from unshine.data import sshr
from unshine.errors import UnshineError

# Fails rather than skips where it must run.
needs_blender = pytest.mark.skipif(
    importlib.util.find_spec("bpy") is None
    and not (os.environ.get("CI") and sys.version_info[:2] == (3, 11)),
    reason="Blender's module bpy is not installed",
)

CUBE = """\
v -1 -1 -1\nv 1 -1 -1\nv 1 1 -1\nv -1 1 -1\nv -1 -1 1\nv 1 -1 1\nv 1 1 1\nv -1 1 1
f 1 4 3 2\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8
"""


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def assets(tmp_path: Path) -> list[str]:
    """The user's own assets: cubes of several shapes under a grey sky."""
    for name in ("meshes", "hdris"):
        (tmp_path / name).mkdir()
    for number in range(1, 5):
        stretched = CUBE.replace("v 1 ", f"v {number} ")
        (tmp_path / "meshes" / f"cube{number}.obj").write_text(stretched)
    sky = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 16\n"
    (tmp_path / "hdris" / "sky.hdr").write_bytes(sky + bytes([128, 128, 128, 128]) * 128)
    options = {name: tmp_path / name for name in ("cache", "meshes", "hdris")}
    return [word for name, path in options.items() for word in (f"--{name}", str(path))]


@needs_blender
def test_three_tuples_from_the_command_line(tmp_path: Path, assets: list[str]):
    folder = tmp_path / "set"
    options = ["-n", "3", "-o", str(folder), "--size", "64", "--samples", "8", "--linear"]
    # A process of its own, as a user starts it: Blender must not end up in this one.
    command = [sys.executable, "-m", "unshine", "render", *options, *assets]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "3 tuples" in done.stdout
    tuples = [json.loads(line) for line in (folder / "tuples.jsonl").read_text().splitlines()]
    assert len(tuples) == 3
    entries = [entry for path in folder.glob("*_7_tuples.lst") for entry in sshr.find(path)]
    assert {f"SSHR/{entry.name}" for entry in entries} == {one["stem"] for one in tuples}
    for entry in entries:
        light = {
            kind: optics.decode(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255)
            for kind, path in entry.files.items()
        }
        whole = optics.compose(light["albedo"], light["shading"], light["specular"])
        stored_well = (light["shading"] < 1) & (light["image"] < 1) & (light["albedo"] > 0.02)
        assert stored_well.mean() > 0.02
        assert np.abs(whole - light["image"])[stored_well].mean() < 0.01
        assert 0 < light["mask"].mean() < 1
    assert len(list(folder.glob("SSHR/*/*/*.exr"))) == 3 * 5


def test_no_assets_are_one_sentence(tmp_path: Path):
    result = run("render", "-o", str(tmp_path / "set"), "--cache", str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert result.stderr.strip().endswith("run: unshine assets fetch")
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "set").exists()


@needs_blender
def test_the_first_run_fetches_the_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fetch(*_: object) -> None:
        raise UnshineError("there is no network")

    monkeypatch.setattr("unshine.synth.archives.fetch", fetch)
    monkeypatch.setenv("UNSHINE_ASSETS", str(tmp_path / "nothing"))
    result = run("render", "-o", str(tmp_path / "set"))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith("Fetching")
    assert result.stderr.strip().endswith("there is no network")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layers", "i,q"], "there is no layer 'q'"),
        (["--split", "exam"], "exam"),
        (["--procedural", "--linear"], "--procedural goes without --linear"),
        (["--procedural", "--split", "test"], "--procedural goes without --split"),
    ],
)
def test_wrong_options_are_wrong_usage(tmp_path: Path, options, words):
    result = run("render", "-o", str(tmp_path / "set"), *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "set").exists()


def test_a_missing_blender_is_one_sentence(
    tmp_path: Path, assets: list[str], monkeypatch: pytest.MonkeyPatch
):
    from importlib import metadata

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    result = run("render", "-o", str(tmp_path / "set"), *assets)
    assert result.exit_code == 1
    assert 'pip install "unshine[render]"' in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
