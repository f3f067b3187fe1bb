"""What the network is asked for: every stage is supervised, as in the paper."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unshine import optics
from unshine.networks.three_stage.torch import Outputs
from unshine.synth.camera import Tuples

WEIGHTS = {
    "albedo": 0.15,
    "shading": 0.15,
    "specular": 0.5,
    "diffuse": 1.0,
    "ungated": 2.0,
    "clean": 1.0,
    "colour": 2.0,
    "edges": 1.0,
    "highlight": 0.5,
}
"""How much each term counts in the total."""

STRENGTH_WEIGHT = 5.0
"""How much more an error counts where the highlight was as strong as white on black.

Highlights are few pixels, and the median of an uncertain answer is "leave it": an unweighted mean
makes a timid network.
"""


def losses(outputs: Outputs, truth: Tuples) -> dict[str, Tensor]:
    """Mean loss of each term over the batch, and their weighted ``total``.

    Parameters
    ----------
    outputs : Outputs
        Of `ThreeStage` for ``truth.image``.
    truth : Tuples
    """
    strength = STRENGTH_WEIGHT * (truth.image - truth.clean).abs().amax(1, keepdim=True)
    weight = 1 + strength
    # The ungated picture is asked "what is there if this is a highlight?", and counts little
    # elsewhere: whether it is one, the highlight map decides. Asked everywhere alike, the network
    # takes ten times as long to change anything at all. Stage 2 stands between the two.
    bold, half_bold = (least + truth.highlight + strength for least in (0.05, 0.2))
    # Where nothing is lit or everything is black, albedo and shading mean nothing.
    lit = (truth.diffuse.amax(1, keepdim=True) > 0.02).float()
    shading = optics.encode(truth.shading + 1e-6)
    # Compared as display values, where an error looks equally bad in dark and bright parts.
    guess = optics.encode(outputs.shading + 1e-6)
    terms = {
        "albedo": _mean((outputs.albedo - truth.albedo).abs(), lit),
        "shading": _mean((guess - shading).clip(-1, 1).abs(), lit),
        "specular": _mean((outputs.residue - truth.specular).abs(), weight),
        "diffuse": _mean((outputs.diffuse - truth.diffuse).abs(), half_bold),
        "ungated": _mean((outputs.ungated - truth.clean).abs(), bold),
        "clean": _mean((outputs.clean - truth.clean).abs(), weight),
        # Grey where colour should be is the error that people notice first.
        "colour": _mean(_without_grey(outputs.ungated - truth.clean).abs(), bold),
        "edges": _edges(outputs.ungated - truth.clean, bold),
        # The gate has its own truth: one that learns only through the picture's error closes,
        # and a closed gate passes no gradient to open it again.
        "highlight": F.binary_cross_entropy_with_logits(outputs.logits, truth.highlight),
    }
    terms["total"] = torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()
    return terms


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    return (error * weight).mean()


def _without_grey(error: Tensor) -> Tensor:
    """What is left of an error without its mean over the colours."""
    return error - error.mean(1, keepdim=True)


def _edges(error: Tensor, weight: Tensor) -> Tensor:
    """Error of the differences between neighbours: what keeps texture under a highlight."""
    across = (error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    return across.mean() + down.mean()
