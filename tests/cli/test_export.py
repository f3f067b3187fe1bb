"""`unshine export`: every form runs, and gives what the weights say."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import typer
from typer.testing import CliRunner

from unshine.cli.export import export
from unshine.networks import SHIPPED
from unshine.networks.tshrnet import OUTPUTS, initial
from unshine.networks.tshrnet.torch import TSHRNet, load
from unshine.networks.weights import Weights, read_weights, write_weights

app = typer.Typer()
app.command()(export)


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(x) for x in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def tshrnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "narrow.safetensors"
    write_weights(path, Weights("tshrnet", initial(1, 4), "physical"))
    return path


def test_shipped_weights_and_overwriting(tmp_path):
    target = tmp_path / "a.safetensors"
    run("-o", target)
    assert read_weights(target).network == "three_stage"
    target.write_bytes(b"precious")
    assert "--overwrite" in run("-o", target, code=1)
    assert target.read_bytes() == b"precious"
    run("-o", target, "--overwrite")
    assert read_weights(target).network == "three_stage"


def test_published_files_there_and_back(tmp_path, tshrnet):
    run(tshrnet, "-o", tmp_path / "files", "--format", "pth")
    names = sorted(x.name for x in (tmp_path / "files").iterdir())
    assert names == [f"UNet{k}_60.pth" for k in (1, 2, 3, 4)]
    run(tmp_path / "files", "-o", tmp_path / "b.safetensors", "--variant", "physical")
    assert (tmp_path / "b.safetensors").read_bytes() == tshrnet.read_bytes()
    assert "--overwrite" in run(tshrnet, "-o", tmp_path / "files", "--format", "pth", code=1)


@pytest.mark.parametrize("size", [(1, 1), (300, 520)])
def test_onnx_of_tshrnet(tmp_path_factory, tshrnet, size):
    target = tmp_path_factory.getbasetemp() / "narrow.onnx"
    if not target.exists():
        assert "of PyTorch" in run(tshrnet, "-o", target)
    network = TSHRNet("physical", width=4).eval()
    load(network, read_weights(tshrnet).tensors)
    image = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0))
    found = onnxruntime.InferenceSession(target).run(
        list(OUTPUTS["physical"]), {"image": image.numpy()}
    )
    with torch.no_grad():
        expected = network(image)
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b.numpy()).max() < 1e-4


@pytest.mark.slow
def test_onnx_of_ours_uses_the_weights_beside_it(tmp_path):
    run("-o", tmp_path / "ours.safetensors")
    before = (tmp_path / "ours.safetensors").read_bytes()
    run(tmp_path / "ours.safetensors", "-o", tmp_path / "ours.onnx")
    assert (tmp_path / "ours.safetensors").read_bytes() == before
    onnxruntime.InferenceSession(tmp_path / "ours.onnx")


@pytest.mark.parametrize("which", [pytest.param("ours", marks=pytest.mark.slow), "tshrnet"])
def test_mindir_runs_in_mindspore(tmp_path, tshrnet, which):
    mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
    source = [tshrnet] if which == "tshrnet" else []
    target = tmp_path / "graph.mindir"
    assert "of MindSpore" in run(*source, "-o", target, "--size", 256)
    image = np.random.default_rng(0).random((1, 3, 256, 256), np.float32)
    graph = mindspore.nn.GraphCell(mindspore.load(str(target)))
    found = graph(mindspore.Tensor(image))
    weights = read_weights(tshrnet) if source else read_weights(SHIPPED)
    with torch.no_grad():
        expected = weights.build("torch")(torch.from_numpy(image))[: len(found)]
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a.asnumpy() - b.numpy()).max() < 1e-4


def test_wrong_usage(tmp_path, tshrnet):
    run(tshrnet, "-o", tmp_path / "a.foo", code=2)
    run(tshrnet, "-o", tmp_path / "a", "--format", "gif", code=2)
    assert "published" in run(tshrnet, "-o", tmp_path / "a.pth", "--variant", "x", code=2)
    assert "Only TSHRNet" in run("-o", tmp_path / "a", "--format", "pth", code=1)
    assert "no weights file" in run(tmp_path / "no", "-o", tmp_path / "a.pth", code=1)
    assert not [*tmp_path.iterdir()]


def test_an_absent_framework_is_named(tmp_path, tshrnet, monkeypatch):
    monkeypatch.setitem(sys.modules, "mindspore", None)
    words = run(tshrnet, "-o", tmp_path / "a.mindir", code=1)
    assert 'pip install "unshine[mindspore]"' in words
