"""What the losses reward."""

import pytest
import torch

from unshine import optics
from unshine.layers import Layers
from unshine.networks import tshrnet
from unshine.networks.three_stage.torch import Outputs
from unshine.training.losses import DARKER, WEIGHTS, losses, paper_losses


def tuples() -> Layers[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    albedo = 0.2 + 0.6 * torch.rand((2, 3, 16, 16), generator=generator)
    shading = 0.2 + 0.6 * torch.rand((2, 3, 16, 16), generator=generator)
    specular = torch.zeros_like(albedo)
    specular[..., 4:8, 4:8] = 0.3
    diffuse = optics.encode(optics.decode(albedo) * shading)
    image = optics.encode(optics.decode(diffuse) + specular).clip(0, 1)
    specular = optics.decode(image) - optics.decode(diffuse)
    highlight = optics.highlight_map(image, diffuse, 1)
    return Layers(
        image=image,
        albedo=albedo,
        shading=shading,
        specular=specular,
        diffuse=diffuse,
        clean=diffuse,
        highlight=highlight,
        mask=torch.ones_like(highlight),
    )


def least(image: torch.Tensor) -> torch.Tensor:
    """The least channel under white light, display."""
    return optics.encode(optics.decode(image).amin(1, keepdim=True) + 1e-5)


def perfect(truth: Layers[torch.Tensor]) -> Outputs:
    logits = (truth.highlight - 0.5) * 40
    return Outputs(
        albedo=truth.albedo,
        shading=truth.shading,
        diffuse=truth.diffuse,
        specular=truth.specular,
        clean=truth.clean,
        highlight=truth.highlight,
        ungated=truth.clean,
        logits=logits,
        residue=truth.specular,
        taken=least(truth.image) - least(truth.clean),
        votes=logits,
        light=torch.ones_like(truth.image),
    )


def compared(outputs: Outputs, truth: Layers[torch.Tensor]) -> dict[str, torch.Tensor]:
    return losses(outputs._asdict(), truth.given())


def test_the_truth_costs_nothing():
    truth = tuples()
    terms = compared(perfect(truth), truth)
    assert terms.keys() == WEIGHTS.keys() | {"total"}
    assert all(float(term) < 0.02 for term in terms.values())


def test_every_stage_is_supervised():
    truth = tuples()
    best = perfect(truth)
    fields = ("albedo", "shading", "diffuse", "residue", "clean", "ungated", "taken")
    wrong = {field: getattr(best, field) - 0.1 for field in fields} | {"votes": -best.votes}
    for field, value in wrong.items():
        worse = best._replace(**{field: value})
        assert compared(worse, truth)["total"] > compared(best, truth)["total"], field


def test_a_highlight_left_alone_costs_more_than_the_same_error_elsewhere():
    truth = tuples()
    best = perfect(truth)
    inside = (truth.highlight > 0.5).expand_as(truth.clean)
    amount = (truth.image - truth.clean)[inside].mean()
    left = best._replace(ungated=torch.where(inside, truth.image, truth.clean))
    shifted = torch.zeros_like(inside)
    shifted[..., 8:12, 8:12] = True
    dirty = best._replace(ungated=torch.where(shifted, truth.clean - amount, truth.clean))
    assert compared(left, truth)["ungated"] > 5 * compared(dirty, truth)["ungated"]


@pytest.mark.parametrize("field", ["ungated", "clean", "taken"])
def test_too_dark_costs_more_than_too_bright(field):
    truth = tuples()
    best = perfect(truth)
    # What is taken too much leaves the picture too dark.
    amount = -0.05 if field == "taken" else 0.05
    costs = [
        float(compared(best._replace(**{field: getattr(best, field) + change}), truth)[field])
        for change in (amount, -amount)
    ]
    assert costs[1] == pytest.approx(DARKER * costs[0], rel=1e-3)


def test_a_closed_gate_still_gets_gradients():
    truth = tuples()
    votes = torch.full_like(truth.highlight, -8, requires_grad=True)
    closed = perfect(truth)._replace(votes=votes, clean=truth.image)
    compared(closed, truth)["total"].backward()
    inside = truth.highlight > 0.5
    assert votes.grad is not None
    assert (votes.grad[inside] < 0).all()


def test_nobody_is_asked_for_albedo_and_shading_that_nobody_knows():
    known = tuples()
    nothing = torch.zeros_like(known.albedo)
    unknown = known._replace(albedo=nothing, shading=nothing)
    best = perfect(known)
    wrong = best._replace(
        albedo=best.albedo + 0.3, shading=best.shading + 1, residue=best.residue + 1
    )
    terms = compared(wrong, unknown)
    assert float(terms["albedo"]) == float(terms["shading"]) == float(terms["specular"]) == 0
    assert all(torch.isfinite(term) for term in terms.values())


def test_the_gate_costs_its_cross_entropy_where_it_shines_strongly_most():
    truth = tuples()
    votes = torch.linspace(-90, 90, truth.highlight.numel()).view_as(truth.highlight)
    votes[0, 0, 0, :4] = 0
    votes.requires_grad_()
    compared(perfect(truth)._replace(votes=votes), truth)["highlight"].backward()
    mine, votes.grad = votes.grad, None
    strength = (truth.image - truth.clean).amax(1, keepdim=True)
    weight = 1 + 2 * truth.highlight + 2 * strength
    torch.nn.functional.binary_cross_entropy_with_logits(votes, truth.highlight, weight).backward()
    assert torch.allclose(mine, votes.grad, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("variant", tshrnet.VARIANTS)
def test_the_paper_asks_for_mean_squares_of_normalised_values(variant):
    generator = torch.Generator().manual_seed(0)
    names = ("albedo", "shading", "specular", "diffuse", "clean")
    truth = {name: torch.rand((2, 3, 8, 8), generator=generator) for name in names}
    targets = {name: truth.get(name, truth["diffuse"]) for name in tshrnet.OUTPUTS[variant]}
    outputs = {name: 2 * x - 1 + 0.1 * k for k, (name, x) in enumerate(targets.items())}
    terms = paper_losses(outputs, truth)
    assert terms.keys() == {*targets, "total"}
    expected = sum((0.1 * k) ** 2 for k in range(len(targets)))
    assert float(terms["total"]) == pytest.approx(expected, rel=1e-4)
