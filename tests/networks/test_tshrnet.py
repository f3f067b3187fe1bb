"""TSHRNet: the paper's architecture, its variants, and the same numbers from both frameworks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unshine import optics
from unshine.networks.tshrnet import (
    INPUTS,
    OUTPUTS,
    TOE,
    VARIANTS,
    encode_residue,
    initial,
    shapes_at,
)
from unshine.networks.tshrnet.torch import TSHRNet, load

WIDTH = 4  # channels of the small network that most tests use


def scrambled(width: int = WIDTH, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of which every one matters, with the statistics of a trained BatchNorm."""
    tensors = initial(seed, width)
    generator = np.random.default_rng(seed + 1)
    for name, x in tensors.items():
        if name.endswith(("running_var", "after.weight")):
            tensors[name] = generator.uniform(0.5, 1.5, x.shape).astype(np.float32)
        elif not name.endswith("conv.weight"):
            tensors[name] = generator.normal(0, 0.2, x.shape).astype(np.float32)
    return tensors


def smooth(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keep what goes into each ReLU away from 0, where rounding alone decides a gradient."""
    generator = np.random.default_rng(7)
    signs = {
        name: generator.choice([-4, 4], x.shape).astype(np.float32)
        for name, x in tensors.items()
        if name.endswith("after.bias")
    }
    return tensors | signs


def network(variant: str, tensors: dict[str, np.ndarray]) -> TSHRNet:
    built = TSHRNet(variant, width=tensors["UNet1.Cv0.conv.weight"].shape[0]).eval()
    load(built, tensors)
    return built


def smooth_image(*shape: int, seed: int = 3) -> np.ndarray:
    """Smooth, with black and white parts."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand((*shape[:2], 9, 9), generator=generator) * 1.4 - 0.2
    return F.interpolate(small, size=shape[2:], mode="bicubic").clip(0, 1).numpy()


def reference(tensors: dict[str, np.ndarray], name: str, x: torch.Tensor) -> torch.Tensor:
    """A U-Net of the paper, word for word, without any module."""
    w = {
        n.removeprefix(f"{name}."): torch.from_numpy(t)
        for n, t in tensors.items()
        if n.startswith(f"{name}.")
    }

    def norm(x: torch.Tensor, layer: str) -> torch.Tensor:
        mean, var, gain, bias = (
            w[f"{layer}.after.{part}"].reshape(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * gain + bias

    def down(x: torch.Tensor, layer: str) -> torch.Tensor:
        x = torch.where(x > 0, x, 0.2 * x)
        return F.conv2d(x, w[f"{layer}.conv.weight"], stride=2, padding=1)

    def up(x: torch.Tensor, layer: str) -> torch.Tensor:
        weight, bias = w[f"{layer}.conv.weight"], w[f"{layer}.conv.bias"]
        return F.conv_transpose2d(F.relu(x), weight, bias, stride=2, padding=1)

    e = [F.conv2d(x, w["Cv0.conv.weight"], stride=2, padding=1)]
    for layer in ("Cv1", "Cv2", "Cv3", "Cv4", "Cv4", "Cv4"):
        e.append(norm(down(e[-1], layer), layer))
    x = norm(up(down(e[6], "Cv5"), "CvT6"), "CvT6")
    skips = ((6, "CvT7"), (5, "CvT7"), (4, "CvT7"), (3, "CvT8"), (2, "CvT9"), (1, "CvT10"))
    for level, layer in skips:
        x = norm(up(torch.cat([x, e[level]], 1), layer), layer)
    return torch.tanh(up(torch.cat([x, e[0]], 1), "CvT11"))


def test_size_and_names_are_the_published_ones():
    built = TSHRNet()
    assert sum(p.numel() for p in built.parameters()) == 116_991_244
    names = {n for n in built.state_dict() if not n.endswith("num_batches_tracked")}
    assert names == set(shapes_at())
    assert {n for n in shapes_at() if n.startswith("UNet4.Cv1.")} == {
        "UNet4.Cv1.conv.weight",
        *(f"UNet4.Cv1.after.{x}" for x in ("weight", "bias", "running_mean", "running_var")),
    }
    assert shapes_at()["UNet3.CvT7.conv.weight"] == (1024, 512, 4, 4)
    assert "UNet3.CvT7.conv.bias" in shapes_at()
    assert "UNet3.Cv4.conv.bias" not in shapes_at()


def test_it_is_the_network_of_the_paper():
    tensors = scrambled()
    image = torch.from_numpy(smooth_image(2, 3, 256, 512))
    x = 2 * image - 1
    first, second = (reference(tensors, name, x) for name in ("UNet1", "UNet2"))
    diffuse = reference(tensors, "UNet3", torch.cat([first * second, x], 1))
    residue = x - first * second
    clean = reference(tensors, "UNet4", torch.cat([diffuse, residue, x], 1))
    with torch.no_grad():
        outputs = network("published", tensors).normalised(image)
    for name, expected in zip(
        outputs._fields, (first, second, residue, diffuse, clean), strict=True
    ):
        assert (getattr(outputs, name) - expected).abs().max() < 1e-5, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_display_outputs_are_the_normalised_ones_clipped(variant):
    image = torch.from_numpy(smooth_image(1, 3, 256, 256))
    with torch.no_grad():
        built = network(variant, scrambled())
        seen, raw = built(image), built.normalised(image)
    assert seen._fields == OUTPUTS[variant]
    for a, b in zip(seen, raw, strict=True):
        assert torch.equal(a, ((b + 1) / 2).clip(0, 1))


def test_stage_one_of_each_variant():
    image = torch.from_numpy(smooth_image(1, 3, 256, 256))
    tensors = scrambled()
    with torch.no_grad():
        ours, mixed = (network(v, tensors).normalised(image) for v in ("physical", "mixed"))
        again = network("mixed", tensors)
        refined = again.UNet3(torch.cat([mixed.coarse, 2 * image - 1], 1))
    coarse = (ours.albedo + 1) / 2 * (ours.shading + 1) / 2
    residue = optics.decode(image) - optics.decode(coarse)
    seen = (ours.specular + 1) / 2
    bright = residue > TOE
    assert 0.1 < bright.float().mean() < 0.9
    assert torch.allclose(optics.decode(seen)[bright], residue[bright], atol=1e-5)
    assert torch.equal(seen < 0, residue < 0)
    # The two networks' own answers, taken as they are.
    assert torch.equal(mixed.coarse, ours.albedo)
    assert torch.equal(mixed.specular, ours.shading)
    assert torch.equal(mixed.diffuse, refined)


@pytest.mark.parametrize("size", [(1, 1), (200, 300), (256, 257)])
def test_every_size_comes_back(size):
    built = network("physical", scrambled())
    image = smooth_image(1, 3, *size)
    height, width = ((x + 255) // 256 * 256 for x in size)
    edge = ((0, 0), (0, 0), (0, height - size[0]), (0, width - size[1]))
    with torch.no_grad():
        outputs = built(torch.from_numpy(image))
        padded = built(torch.from_numpy(np.pad(image, edge, "edge")))
    for output, whole in zip(outputs, padded, strict=True):
        assert output.shape == image.shape
        assert torch.equal(output, whole[..., : size[0], : size[1]])


def test_fresh_weights_follow_the_seed():
    tensors = initial(5, 16)
    weights = np.concatenate([x.ravel()[:1000] for n, x in tensors.items() if x.ndim == 4])
    assert abs(weights.std() - 0.02) < 0.001
    assert abs(weights.mean()) < 0.001
    other, same = initial(6, WIDTH), initial(5, WIDTH)
    name = "UNet2.CvT8.conv.weight"
    assert np.array_equal(same[name], initial(5, WIDTH)[name])
    assert not np.array_equal(same[name], other[name])
    assert torch.equal(
        TSHRNet(seed=5, width=WIDTH).UNet2.CvT8.conv.weight, torch.tensor(same[name])
    )


def test_the_encoded_residue_is_odd_and_its_slope_finite():
    x = torch.linspace(-1, 1, 4001, dtype=torch.float64, requires_grad=True)
    y = encode_residue(x)
    y.sum().backward()
    above = x >= TOE
    assert torch.allclose(y[above], optics.encode(x[above]))
    assert torch.allclose(y, -y.flip(0))
    assert (y.diff() > 0).all()
    assert x.grad.min() > 0
    assert x.grad.max() < 45
    zero = torch.zeros(3, requires_grad=True)
    encode_residue(zero).sum().backward()
    assert (zero.grad > 1).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_reach_all_weights_even_for_a_black_image(variant):
    built = network(variant, scrambled()).train()
    outputs = built.normalised(torch.zeros(2, 3, 256, 256))
    sum(((x - 0.3) ** 2).mean() for x in outputs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in built.parameters())


def twins(variant: str, tensors: dict[str, np.ndarray]):
    """The same network in MindSpore (compiled, to be called with arrays) and in PyTorch."""
    mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
    from unshine.networks.tshrnet import mindspore as ours

    cell = ours.TSHRNet(variant, width=tensors["UNet1.Cv0.conv.weight"].shape[0])
    ours.load(cell, tensors)
    cell.set_train(False)

    @mindspore.jit
    def compiled(image):
        return cell(image)

    def run(image: np.ndarray) -> list[np.ndarray]:
        return [x.asnumpy() for x in compiled(mindspore.Tensor(image))]

    return cell, run, network(variant, tensors)


@pytest.mark.parametrize("variant", VARIANTS)
def test_mindspore_gives_pytorch_s_outputs(variant):
    cell, run, ours = twins(variant, scrambled())
    mindspore = pytest.importorskip("mindspore")
    image = smooth_image(2, 3, 200, 300)
    with torch.no_grad():
        expected = ours(torch.from_numpy(image))
    eager = [x.asnumpy() for x in cell(mindspore.Tensor(image))]
    for found in (run(image), eager):
        for name, a, b in zip(OUTPUTS[variant], found, expected, strict=True):
            assert np.abs(a - b.numpy()).max() < 1e-4, name


def test_mindspore_gives_pytorch_s_outputs_at_full_size():
    _, run, ours = twins("physical", scrambled(width=64))
    image = smooth_image(1, 3, 256, 256)
    with torch.no_grad():
        expected = ours(torch.from_numpy(image))
    for name, a, b in zip(OUTPUTS["physical"], run(image), expected, strict=True):
        assert np.abs(a - b.numpy()).max() < 1e-4, name


def test_fresh_weights_are_the_same_in_mindspore():
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    from unshine.networks.tshrnet import mindspore as ours

    expected = initial(9, WIDTH)
    found = ours.tensors(ours.TSHRNet(seed=9, width=WIDTH))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], x) for name, x in expected.items())
    assert set(INPUTS) == {name.split(".")[0] for name in found}


def step_in_torch(variant, tensors, image, truths, kind=torch.float32):
    """Loss, gradients and the state after one SGD step."""
    built = network(variant, tensors).to(kind).train()
    outputs = built.normalised(torch.from_numpy(image).to(kind))
    targets = [torch.from_numpy(x).to(kind) for x in truths]
    loss = sum(((x - (2 * y - 1)) ** 2).mean() for x, y in zip(outputs, targets, strict=True))
    loss.backward()
    gradients = {name: p.grad.numpy().copy() for name, p in built.named_parameters()}
    torch.optim.SGD(built.parameters(), 0.1).step()
    return loss.item(), gradients, {n: x.numpy() for n, x in built.state_dict().items()}


def step_in_mindspore(variant, tensors, image, truths):
    mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
    from unshine.networks.tshrnet import mindspore as ours

    cell = ours.TSHRNet(variant, width=tensors["UNet1.Cv0.conv.weight"].shape[0])
    ours.load(cell, tensors)
    cell.set_train()
    parameters = cell.trainable_params()

    def forward(image, *truths):
        total = 0.0
        for output, truth in zip(cell.normalised(image), truths):  # noqa: B905 (MindSpore has no strict)
            total = total + ((output - (2 * truth - 1)) ** 2).mean()
        return total

    step = mindspore.jit(mindspore.value_and_grad(forward, None, parameters))
    loss, gradients = step(mindspore.Tensor(image), *(mindspore.Tensor(x) for x in truths))
    mindspore.nn.SGD(parameters, 0.1)(gradients)
    named = {
        ours.torch_name(p.name): x.asnumpy() for p, x in zip(parameters, gradients, strict=True)
    }
    return float(loss.asnumpy()), named, ours.tensors(cell)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def true_gradient_is_zero(name: str) -> bool:
    """A bias before BatchNorm, which takes the mean away again."""
    return name.endswith("conv.bias") and "CvT11" not in name


def compare_steps(variant, tensors, batch, limit):
    image = smooth_image(batch, 3, 256, 256)
    truths = [smooth_image(batch, 3, 256, 256, seed=10 + k) for k in range(len(OUTPUTS[variant]))]
    loss, gradients, state = step_in_torch(variant, tensors, image, truths)
    other, others, after = step_in_mindspore(variant, tensors, image, truths)
    assert other == pytest.approx(loss, rel=1e-5)
    assert others.keys() == gradients.keys()
    errors = {
        n: relative(others[n], gradients[n]) for n in gradients if not true_gradient_is_zero(n)
    }
    assert max(errors.values()) <= limit, max(errors, key=errors.get)
    for name, x in after.items():
        assert "running" not in name or not np.array_equal(x, tensors[name])
        if true_gradient_is_zero(name):
            assert np.abs(x - state[name]).max() < 1e-7
        else:
            # What starts at zero is its gradient, and nothing else, after one step.
            own = 0 if tensors[name].any() else 1.01 * errors.get(name, 0)
            assert relative(x, state[name]) < max(1e-5, own), name
    return errors


@pytest.mark.parametrize(
    "variant",
    [
        "physical",
        pytest.param("published", marks=pytest.mark.slow),
        pytest.param("mixed", marks=pytest.mark.slow),
    ],
)
def test_one_training_step_is_the_same_in_mindspore(variant):
    compare_steps(variant, smooth(scrambled()), batch=2, limit=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_training_step_is_the_same_at_full_size(variant):
    compare_steps(variant, smooth(scrambled(64)), batch=2, limit=1e-3)


@pytest.mark.slow
def test_fresh_full_size_gradients_differ_by_rounding_alone():
    # Of a million values that meet a ReLU, a few lie within rounding of 0; on the small maps one
    # of them is 1 % of a gradient. PyTorch itself is as far from double precision.
    tensors = initial(3)
    errors = compare_steps("published", tensors, batch=2, limit=3e-2)
    assert np.median(list(errors.values())) < 2e-3


def test_adam_takes_pytorch_s_steps():
    mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
    from unshine.training.adam_mindspore import Adam

    generator = np.random.default_rng(0)
    start = generator.normal(0, 0.02, 1000).astype(np.float32)
    # From gradients far below ε to far above.
    scale = 10 ** generator.uniform(-10, 0, 1000)
    ours = mindspore.Parameter(mindspore.Tensor(start), name="x")
    theirs = torch.nn.Parameter(torch.tensor(start))
    optimiser = Adam([ours], 1e-4, (0.5, 0.999))
    reference = torch.optim.Adam([theirs], 1e-4, (0.5, 0.999))
    for _ in range(5):
        gradient = (generator.normal(0, 1, 1000) * scale).astype(np.float32)
        optimiser((mindspore.Tensor(gradient),))
        theirs.grad = torch.tensor(gradient)
        reference.step()
        assert np.abs(ours.asnumpy() - theirs.detach().numpy()).max() < 1e-7
    assert np.abs(ours.asnumpy() - start).max() > 1e-4
