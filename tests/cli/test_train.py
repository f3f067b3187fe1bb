"""The verbs that make things: what they say when they cannot."""

import csv
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

from unshine.cli.main import app
from unshine.training.recipes import Recipe
from unshine.training.settings import Settings


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "in minutes or in samples"),
        (["--minutes", "1", "--samples", "5"], "one of them"),
        (["--samples", "5", "--init", "missing.safetensors"], "no weights file here"),
        (["--samples", "5", "--resume", "missing"], "no training checkpoint"),
        (["--samples", "5", "--init", "a", "--resume", "b"], "give one of them"),
        (["--samples", "5", "--recipe", "paper", "--size", "128"], "size of 256"),
        (["--samples", "5", "--relight"], "name some as data"),
        (["--samples", "5", "--share", "3", "--share", "5"], "1 sources of tuples and 2 shares"),
        (["--samples", "5", "--share", "5"], "a share of the batch, 8"),
        (["--samples", "5", "--data", "nowhere"], "no such file or folder"),
        (["--samples", "5", "--pool", "nowhere"], "no pool of scenes"),
        (["--samples", "5", "--validate-on", "nowhere"], "no such file or folder"),
        (["--samples", "5", "--device", "ascend"], "choose auto, cpu or cuda"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path: Path, options, words):
    result = run("train", "-o", str(tmp_path / "run"), "--device", "cpu", *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--device", "abacus"],
        ["--precision", "7"],
        ["--recipe", "cake"],
        ["--recipe", "paper", "--variant", "odd"],
        ["--variant", "mixed"],
        ["--backend", "jax"],
        ["--batch", "0"],
    ],
)
def test_what_is_no_choice_is_wrong_usage(tmp_path: Path, options):
    assert run("train", "-o", str(tmp_path), "--samples", "5", *options).exit_code == 2


def test_every_field_that_says_what_it_is_for_is_an_option_that_says_it():
    options = {option.name: option for option in get_command(app).commands["train"].params}
    described = {f.name: f for kind in (Settings, Recipe) for f in fields(kind) if f.metadata}
    assert options.keys() == described.keys() | {"backend", "recipe", "variant"}
    for name, field in described.items():
        assert options[name].help.startswith(field.metadata["help"])
    assert "unshine 8, paper 16" in options["batch"].help
    assert options["augment"].secondary_opts == ["--no-augment"]


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
