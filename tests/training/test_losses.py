"""What the losses reward."""

import torch

from unshine import optics
from unshine.networks.three_stage.torch import Outputs
from unshine.synth.camera import Tuples
from unshine.training.losses import WEIGHTS, losses


def tuples() -> Tuples:
    generator = torch.Generator().manual_seed(0)
    albedo = 0.2 + 0.6 * torch.rand((2, 3, 16, 16), generator=generator)
    shading = 0.2 + 0.6 * torch.rand((2, 3, 16, 16), generator=generator)
    specular = torch.zeros_like(albedo)
    specular[..., 4:8, 4:8] = 0.3
    diffuse = optics.encode(optics.decode(albedo) * shading)
    image = optics.encode(optics.decode(diffuse) + specular).clip(0, 1)
    specular = optics.decode(image) - optics.decode(diffuse)
    highlight = optics.highlight_map(image, diffuse, 1)
    mask = torch.ones_like(highlight)
    return Tuples(image, albedo, shading, specular, diffuse, diffuse, highlight, mask)


def perfect(truth: Tuples) -> Outputs:
    logits = (truth.highlight - 0.5) * 40
    return Outputs(
        truth.albedo,
        truth.shading,
        truth.diffuse,
        truth.specular,
        truth.clean,
        truth.highlight,
        truth.specular,
        truth.clean,
        logits,
    )


def test_the_truth_costs_nothing():
    truth = tuples()
    terms = losses(perfect(truth), truth)
    assert terms.keys() == WEIGHTS.keys() | {"total"}
    assert all(float(term) < 0.02 for term in terms.values())


def test_every_stage_is_supervised():
    truth = tuples()
    best = perfect(truth)
    for field in ("albedo", "shading", "diffuse", "residue", "clean", "ungated", "logits"):
        worse = best._replace(**{field: getattr(best, field) - 0.1})
        assert losses(worse, truth)["total"] > losses(best, truth)["total"], field


def test_a_highlight_left_alone_costs_more_than_the_same_error_elsewhere():
    truth = tuples()
    best = perfect(truth)
    inside = (truth.highlight > 0.5).expand_as(truth.clean)
    amount = (truth.image - truth.clean)[inside].mean()
    left = best._replace(ungated=torch.where(inside, truth.image, truth.clean))
    shifted = torch.zeros_like(inside)
    shifted[..., 8:12, 8:12] = True
    dirty = best._replace(ungated=torch.where(shifted, truth.clean - amount, truth.clean))
    assert losses(left, truth)["ungated"] > 5 * losses(dirty, truth)["ungated"]


def test_a_closed_gate_still_gets_gradients():
    truth = tuples()
    logits = torch.full_like(truth.highlight, -8, requires_grad=True)
    closed = perfect(truth)._replace(logits=logits, clean=truth.image)
    losses(closed, truth)["total"].backward()
    inside = truth.highlight > 0.5
    assert logits.grad is not None
    assert (logits.grad[inside] < 0).all()
