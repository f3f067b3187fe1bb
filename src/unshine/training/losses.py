"""What the network is asked for: every stage is supervised, as in the paper."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unshine import optics
from unshine.networks.three_stage.torch import Outputs
from unshine.synth.camera import Tuples

WEIGHTS = {
    "albedo": 0.3,
    "shading": 0.3,
    "specular": 0.5,
    "diffuse": 1.0,
    "ungated": 1.0,
    "clean": 2.0,
    "edges": 1.0,
    "highlight": 0.1,
}
"""How much each term counts in the total."""

HIGHLIGHT_WEIGHT = 5.0
"""How much more an error counts where a highlight as strong as white on black was.

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
    weight = 1 + HIGHLIGHT_WEIGHT * (truth.image - truth.clean).abs().amax(1, keepdim=True)
    # Where nothing is lit or everything is black, albedo and shading mean nothing.
    lit = (truth.diffuse.amax(1, keepdim=True) > 0.02).float()
    shading = optics.encode(truth.shading + 1e-6)
    # Compared as display values, where an error looks equally bad in dark and bright parts.
    guess = optics.encode(outputs.shading + 1e-6)
    terms = {
        "albedo": _mean((outputs.albedo - truth.albedo).abs(), lit),
        "shading": _mean((guess - shading).clip(-1, 1).abs(), lit),
        "specular": _mean((outputs.residue - truth.specular).abs(), weight),
        "diffuse": _mean((outputs.diffuse - truth.diffuse).abs(), weight),
        "ungated": _mean((outputs.ungated - truth.clean).abs(), weight),
        "clean": _mean((outputs.clean - truth.clean).abs(), weight),
        "edges": _edges(outputs.ungated - truth.clean, weight),
        # The gate has its own truth: one that learns only through the picture's error closes,
        # and a closed gate passes no gradient to open it again.
        "highlight": F.binary_cross_entropy_with_logits(outputs.logits, truth.highlight),
    }
    terms["total"] = torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()
    return terms


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    return (error * weight).mean()


def _edges(error: Tensor, weight: Tensor) -> Tensor:
    """Error of the differences between neighbours: what keeps texture under a highlight."""
    across = (error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    return across.mean() + down.mean()
