"""The three-stage network in MindSpore against the one in PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unshine.errors import UnshineError
from unshine.networks.three_stage import Sizes, sizes_of
from unshine.networks.three_stage import torch as theirs
from unshine.networks.weights import read_weights

mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
ours = pytest.importorskip("unshine.networks.three_stage.mindspore")

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "unshine" / "weights" / "fast.safetensors"
SMALL = Sizes(physics=(8, 8), refine=(8, 16, 16), tone=(8, 8))


def twins(sizes, tensors=None):
    """One network in both frameworks; every weight matters unless weights are given."""
    reference = theirs.ThreeStage(sizes)
    if tensors is None:
        random = np.random.default_rng(0)
        tensors = {
            name: random.normal(0, 0.05, tuple(x.shape)).astype(np.float32)
            for name, x in reference.state_dict().items()
        }
    reference.load_state_dict({n: torch.from_numpy(np.float32(x)) for n, x in tensors.items()})
    network = ours.ThreeStage(sizes)
    ours.load(network, tensors)
    return reference, network


def photograph(height, width):
    with Image.open(ROOT / "examples" / "coffee.png") as image:
        pixels = np.asarray(image.convert("RGB"), np.float32)[:height, :width] / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def test_shipped_weights_give_the_same_outputs():
    weights = read_weights(SHIPPED)
    reference, network = twins(sizes_of(weights.tensors), weights.tensors)
    graph = mindspore.jit(network.construct)
    for size in ((95, 130), (1, 70)):
        image = photograph(*size)
        with torch.no_grad():
            expected = reference(torch.from_numpy(image))
        results = graph(mindspore.Tensor(image))
        for name, want, got in zip(theirs.Outputs._fields, expected, results, strict=True):
            assert got.shape == tuple(want.shape), name
            assert np.abs(got.asnumpy() - want.numpy()).max() < 1e-4, name


def test_pynative_and_graph_mode_agree():
    _, network = twins(SMALL)
    image = mindspore.Tensor(photograph(33, 50))
    for a, b in zip(network(image), mindspore.jit(network.construct)(image), strict=True):
        assert np.abs(a.asnumpy() - b.asnumpy()).max() < 1e-5


def test_untrained_it_is_the_identity():
    image = photograph(20, 30)
    albedo, shading, diffuse, _, clean, *_ = ours.ThreeStage(SMALL)(mindspore.Tensor(image))
    for output in (albedo, diffuse, clean):
        assert np.array_equal(output.asnumpy(), image)
    assert (shading.asnumpy() == 1).all()


def test_loss_and_gradients_are_pytorchs():
    reference, network = twins(SMALL)
    network.set_train()
    image = np.random.default_rng(1).random((2, 3, 24, 40), np.float32)

    loss = sum((output**2).mean() for output in reference(torch.from_numpy(image)))
    loss.backward()
    trained = {n: p for n, p in reference.named_parameters() if p.requires_grad}
    expected = {name: p.grad.numpy() for name, p in trained.items()}

    def squares(image):
        total = 0.0
        for output in network(image):
            total = total + (output**2).mean()
        return total

    parameters = network.trainable_params()
    step = mindspore.jit(mindspore.value_and_grad(squares, None, parameters))
    value, gradients = step(mindspore.Tensor(image))
    assert float(value) == pytest.approx(loss.item(), rel=1e-5)
    assert len(gradients) == len(expected)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        want = expected[parameter.name]
        error = np.linalg.norm(gradient.asnumpy() - want)
        assert error <= 1e-3 * np.linalg.norm(want), parameter.name


def test_weights_of_another_network_are_refused():
    _, network = twins(SMALL)
    with pytest.raises(UnshineError, match="another network"):
        ours.load(network, read_weights(SHIPPED).tensors)
