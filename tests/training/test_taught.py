"""Training that learns from other weights, too: `benchmarks/training/mixed_sizes.py`."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.exposure import expose
from unshine.layers import Layers
from unshine.networks import SHIPPED
from unshine.networks.three_stage.torch import build
from unshine.networks.weights import read_weights

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "training"


def test_what_teachers_say_counts_besides_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that agrees with its teachers pays less than one that does not."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    mixed_sizes = import_module("mixed_sizes")
    network = build(read_weights(SHIPPED))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros_like(image)
    truth = Layers(
        image=image, albedo=nothing, shading=nothing, specular=nothing, diffuse=image,
        clean=image, highlight=nothing[:, :1], mask=1 + nothing[:, :1],
    )  # fmt: skip
    run = SimpleNamespace(
        model=network, pictures=[network], maps=[network], said=None, learnt="all"
    )
    plain = mixed_sizes.Taught.losses(run, truth)
    assert "taught picture" not in plain

    run.said = ungated, likely = mixed_sizes.Taught.ask(run, truth)
    agreeing = mixed_sizes.Taught.losses(run, truth)
    assert float(agreeing["taught picture"]) == float(agreeing["taught edges"]) == 0
    run.said = (ungated - 0.1, 1 - likely)
    differing = mixed_sizes.Taught.losses(run, truth)
    for name in ("taught picture", "taught map", "total"):
        assert differing[name] > agreeing[name]
    # Nothing shines there, whatever teachers say; of a place that does, they are asked.
    assert not likely.any()
    assert mixed_sizes.Taught.ask(run, truth._replace(clean=image / 2))[1].any()

    # Of what has no mask, nobody but teachers knows anything.
    unknown = mixed_sizes.Taught.losses(run, truth._replace(mask=None))
    counts = mixed_sizes.TAUGHT["all"].items()
    terms = [n * unknown[name] for name, n in counts if name.startswith("taught")]
    assert float(unknown["total"]) == pytest.approx(float(sum(terms)), rel=1e-5)

    for part in ("map", "stay"):
        run.learnt = part
        told = mixed_sizes.Taught.losses(run, truth)
        parts = [n * told[name] for name, n in mixed_sizes.TAUGHT[part].items()]
        assert float(told["total"]) == pytest.approx(float(sum(parts)), rel=1e-5)


def test_teachers_see_what_the_network_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dark image is brightened before the network sees it, and so it is for teachers."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    mixed_sizes = import_module("mixed_sizes")
    network = build(read_weights(SHIPPED))
    image = 0.2 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros_like(image)
    truth = Layers(
        image=image, albedo=nothing, shading=nothing, specular=nothing, diffuse=image,
        clean=image / 2, highlight=nothing[:, :1], mask=1 + nothing[:, :1],
    )  # fmt: skip
    run = SimpleNamespace(pictures=[network], maps=[network])
    ungated, likely = mixed_sizes.Taught.ask(run, truth)
    seen = network(expose(truth).image)
    assert torch.allclose(ungated, seen.ungated) and torch.allclose(likely, seen.votes.sigmoid())
    assert not torch.allclose(ungated, network(image).ungated, atol=0.05)


def test_of_a_photograph_the_most_cautious_teacher_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a tuple, in which something is known to shine, their mean is."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    mixed_sizes = import_module("mixed_sizes")
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros_like(image)
    truth = Layers(
        image=image, albedo=nothing, shading=nothing, specular=nothing, diffuse=image,
        clean=image, highlight=nothing[:, :1],
    )  # fmt: skip

    def teacher(votes: float) -> object:
        said = SimpleNamespace(ungated=image, votes=nothing[:, :1] + votes)
        return lambda _: said

    bold, shy = teacher(3), teacher(-1)
    run = SimpleNamespace(pictures=[bold], maps=[bold, shy])
    _, likely = mixed_sizes.Taught.ask(run, truth)
    assert torch.allclose(likely, torch.sigmoid(torch.tensor(-1.0)))
    known = truth._replace(mask=1 + nothing[:, :1], clean=image / 2)
    _, likely = mixed_sizes.Taught.ask(run, known)
    assert torch.allclose(likely, torch.sigmoid(torch.tensor(1.0)))


def test_highlights_are_made_stronger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under a stronger highlight lies what was found under the weak one; elsewhere all stays."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    stronger = import_module("stronger")
    clean = np.full((64, 64, 3), 60, np.uint8)
    image = clean.copy()
    image[:32] += 40
    for folder, pixels in (("photos", image), ("cleaned", clean)):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "box.png")
    monkeypatch.setattr(stronger, "STRONGER", 1)
    folders = tmp_path / "photos", tmp_path / "cleaned"
    batch = next(iter(stronger.StrongerStream(*folders, size=32, batch=16, seed=0)))
    assert batch.mask is None and batch.image.shape == (16, 3, 32, 32)
    light, under = (optics.decode(x) for x in (batch.image, batch.clean))
    lit, dark = optics.decode(torch.tensor([100, 60]) / 255)
    exposure = under.amax((1, 2, 3)) / dark
    times = (light - under).amax((1, 2, 3)) / (lit - dark) / exposure
    assert exposure.min() >= stronger.DARKER - 0.01 and exposure.max() <= 1.01
    shining = times > 0.01  # a crop may lie below the highlight
    assert shining.sum() > 8 and times[shining].min() >= 0.49 and times.max() > 2
    with pytest.raises(UnshineError, match="by the name of a photograph"):
        stronger.StrongerStream(tmp_path / "photos", tmp_path, 32, 1, 0)
