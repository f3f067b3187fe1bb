"""The verbs that make things: what they say when they cannot."""

import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from unshine.cli.main import app


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--minutes or --samples"),
        (["--minutes", "1", "--samples", "5"], "one of them"),
        (["--samples", "5", "--device", "abacus"], "choose auto, cpu or cuda"),
        (["--samples", "5", "--precision", "7"], "choose bf16 or 32"),
        (["--samples", "5", "--init", "missing.safetensors"], "cannot be read"),
        (["--samples", "5", "--resume", "missing"], "no training checkpoint"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path: Path, options, words):
    result = run("train", "-o", str(tmp_path / "run"), "--device", "cpu", *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_absent_gpu_is_said(tmp_path: Path):
    result = run("train", "-o", str(tmp_path), "--samples", "5", "--device", "cuda")
    assert result.exit_code == 1
    assert "no CUDA device" in result.stderr


@pytest.mark.parametrize("verb", [["train", "--samples", "5"], ["render", "--procedural"]])
def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb):
    for name in [n for n in sys.modules if n.startswith(("unshine.training", "unshine.synth"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run(*verb, "-o", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert 'pip install "unshine[train]"' in result.stderr


def test_render_writes_a_dataset_and_refuses_to_overwrite_it(tmp_path: Path):
    options = ["render", "--procedural", "-n", "2", "--size", "32", "-o", str(tmp_path / "set")]
    assert run(*options).exit_code == 0
    assert (tmp_path / "set" / "sheet.png").exists()
    again = run(*options)
    assert again.exit_code == 1
    assert "not empty" in again.stderr


def test_render_says_what_it_cannot_make_yet(tmp_path: Path):
    assert run("render", "-o", str(tmp_path)).exit_code == 2
