"""The verbs that make things: what they say when they cannot."""

import csv
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
        (["--samples", "5", "--init", "missing.safetensors"], "no weights file here"),
        (["--samples", "5", "--resume", "missing"], "no training checkpoint"),
        (["--samples", "5", "--recipe", "cake"], "choose unshine or paper"),
        (["--samples", "5", "--recipe", "paper", "--variant", "odd"], "no variant 'odd'"),
        (["--samples", "5", "--recipe", "paper", "--size", "128"], "--size 256"),
        (["--samples", "5", "--variant", "mixed"], "give --recipe paper"),
        (["--samples", "5", "--relight"], "name them with --data"),
        (["--samples", "5", "--data", "nowhere"], "no such file or folder"),
        (["--samples", "5", "--validate-on", "nowhere"], "no such file or folder"),
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


def test_an_unknown_backend_is_wrong_usage(tmp_path: Path):
    assert run("train", "-o", str(tmp_path), "--samples", "5", "--backend", "jax").exit_code == 2


def test_a_missing_mindspore_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "unshine.training.mindspore", raising=False)
    monkeypatch.delattr("unshine.training.mindspore", raising=False)
    monkeypatch.setitem(sys.modules, "mindspore", None)
    result = run("train", "-o", str(tmp_path), "--samples", "5", "--backend", "mindspore")
    assert result.exit_code == 1
    assert 'pip install "unshine[mindspore]"' in result.stderr


def test_training_on_a_dataset_validates_on_it(tmp_path: Path):
    made = run("render", "--procedural", "-n", "3", "--size", "32", "-o", str(tmp_path / "set"))
    assert made.exit_code == 0
    data = str(tmp_path / "set")
    options = ["--data", data, "--validate-on", data, "--no-augment", "--validations", "1"]
    options += ["--samples", "4", "--batch", "4", "--size", "32", "--device", "cpu"]
    result = run("train", "-o", str(tmp_path / "run"), *options, "--precision", "32")
    assert result.exit_code == 0, result.output
    with (tmp_path / "run" / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"real highlight", "real gain", "real change", "real diffuse gain"} <= set(rows[0])
    assert "gain" not in rows[0]


def test_render_writes_a_dataset_and_refuses_to_overwrite_it(tmp_path: Path):
    options = ["render", "--procedural", "-n", "2", "--size", "32", "-o", str(tmp_path / "set")]
    assert run(*options).exit_code == 0
    assert (tmp_path / "set" / "sheet.png").exists()
    again = run(*options)
    assert again.exit_code == 1
    assert "not empty" in again.stderr
