"""Training that learns from other weights, too: `benchmarks/training/mixed_sizes.py`."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

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
        model=network, pictures=[network], maps=[network], said=None, map_alone=False
    )
    plain = mixed_sizes.Taught.losses(run, truth)
    assert not mixed_sizes.TAUGHT.keys() & plain.keys()

    ungated, votes = mixed_sizes.Taught.ask(run, image)
    answer = network(image)
    assert torch.allclose(votes, answer.votes)
    assert torch.allclose(image - ungated, mixed_sizes.SHARE * (image - answer.ungated), atol=1e-5)
    run.said = (answer.ungated.detach(), votes)
    agreeing = mixed_sizes.Taught.losses(run, truth)
    assert float(agreeing["taught picture"]) == float(agreeing["taught edges"]) == 0
    run.said = (answer.ungated.detach() - 0.1, -votes)
    differing = mixed_sizes.Taught.losses(run, truth)
    for name in ("taught picture", "total"):
        assert differing[name] > agreeing[name]
    assert float(agreeing["total"]) == pytest.approx(float(plain["total"]), rel=1e-5)
    # Nothing shines there, so nobody is asked where; of a place that does, they are.
    assert float(differing["taught map"]) == 0
    truth.highlight[..., :8, :8] = 1
    assert mixed_sizes.Taught.losses(run, truth)["taught map"] > 0

    run.map_alone = True
    alone = mixed_sizes.Taught.losses(run, truth)
    parts = [n * alone[name] for name, n in mixed_sizes.MAP_ALONE.items()]
    assert float(alone["total"]) == pytest.approx(float(sum(parts)), rel=1e-5)
