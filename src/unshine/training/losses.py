"""The losses: every stage is supervised, as in the paper.

Written with operators and methods that PyTorch and MindSpore share, so that both minimise the same.
"""

from collections.abc import Mapping

from unshine import optics
from unshine.networks.three_stage import CLIPPED, ramp
from unshine.networks.tshrnet import normalise
from unshine.optics import Array

WEIGHTS = {
    "albedo": 0.1,
    "shading": 0.1,
    "specular": 0.2,
    "diffuse": 0.6,
    "ungated": 2.0,
    "taken": 1.0,
    "colour": 1.5,
    "edges": 0.7,
    "clean": 1.0,
    "highlight": 0.6,
}
"""How much each term counts in the total."""

STRENGTH_WEIGHT = 5.0
"""How much more an error counts where the highlight was as strong as white on black.

Highlights are few pixels, and the median of an uncertain answer is "leave it": an unweighted mean
makes a timid network.
"""

DARKER = 1.6
"""How much more an error counts that leaves the picture darker than the truth than one that leaves
it lighter: a dent where none was is seen before a gleam that is left. Where both counted alike,
27 % too much was taken off Shen & Zheng's photographs, 6 to 23 % off MIT's."""


def losses(outputs: Mapping[str, Array], truth: Mapping[str, Array]) -> dict[str, Array]:
    """Mean loss of each term over the batch, and their weighted ``total``.

    Parameters
    ----------
    outputs : mapping of str to array
        Of `ThreeStage` for the image, by the names of `networks.three_stage.torch.Outputs`.
    truth : mapping of str to array
        As `synth.camera.develop` makes it, by the names of `unshine.layers`. Shading that is 0 all
        over says that nobody knows albedo and shading.
    """
    image, shading, clean = truth["image"], truth["shading"], truth["clean"]
    diffuse, highlight = truth["diffuse"], truth["highlight"]
    ungated = outputs["ungated"]
    strength = STRENGTH_WEIGHT * _largest(abs(image - clean))
    weight = 1 + strength
    # The ungated image is asked "what is there if this is a highlight?", and counts little
    # elsewhere: whether it is one, the highlight map decides. Asked everywhere alike, the network
    # takes ten times as long to change anything at all. Stage 2 stands between the two.
    bold, half_bold = (least + highlight + 0.5 * strength for least in (0.03, 0.15))
    # Where nothing is lit or everything is black, albedo and shading mean nothing; of photographs
    # nobody knows them, nor R = I − A·S.
    lit = 1.0 * (_largest(diffuse) > 0.02) * (_largest(shading) > 0)
    known = 1.0 * (_largest(shading).amax((2, 3), True) > 0)
    # Compared as display values, where an error looks equally bad in dark and bright parts.
    shading_error = optics.encode(outputs["shading"] + 1e-6) - optics.encode(shading + 1e-6)
    # How far the least channel falls, asked before it is cut at 0: there no gradient would pass.
    taken = _least(image, outputs["light"]) - _least(clean, outputs["light"])
    measured = 1 - ramp(-_largest(-image), CLIPPED)
    terms = {
        "albedo": mean(outputs["albedo"] - truth["albedo"], lit),
        "shading": mean(shading_error.clip(-1, 1), lit),
        "specular": mean((outputs["residue"] - truth["specular"]).clip(-1, 1), weight * known),
        "diffuse": mean(outputs["diffuse"] - diffuse, half_bold),
        "ungated": _uneven(ungated - clean, bold),
        "taken": _uneven(taken - outputs["taken"], bold * measured),
        # Grey where colour should be is the error that people notice first.
        "colour": mean(_without_grey(ungated - clean), bold),
        "edges": edges(ungated - clean, bold),
        "clean": _uneven(outputs["clean"] - clean, weight),
        # The gate has its own truth: one that learns only through the image's error closes, and a
        # closed gate passes no gradient to open it again. Strong highlights count most.
        "highlight": cross_entropy(
            outputs["votes"], highlight, 1 + 2 * highlight + 2 * _largest(abs(image - clean))
        ),
    }
    total = 0.0
    for name, share in WEIGHTS.items():
        total = total + share * terms[name]
    terms["total"] = total
    return terms


TARGETS = {"coarse": "diffuse"}
"""What TSHRNet's outputs are compared with, where that has another name."""


def paper_losses(outputs: Mapping[str, Array], truth: Mapping[str, Array]) -> dict[str, Array]:
    """TSHRNet's mean squared errors, of normalised display values, each with weight 1.

    Parameters
    ----------
    outputs : mapping of str to array
        What `TSHRNet.normalised` returns for the image, by the names of `tshrnet.OUTPUTS`.
    truth : mapping of str to array
        Albedo, shading, specular, diffuse and clean, by the names of `unshine.layers`; display
        values, all of them.

    References
    ----------
    Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
    Data", ICCV 2023.
    """
    terms = {}
    for name, output in outputs.items():
        terms[name] = _squared(output, truth[TARGETS.get(name, name)])
    total = 0.0
    for term in terms.values():
        total = total + term
    terms["total"] = total
    return terms


def _squared(output: Array, truth: Array) -> Array:
    return ((output - normalise(truth)) ** 2).mean()


def mean(error: Array, weight: Array) -> Array:
    """Mean absolute error, weighted."""
    return (abs(error) * weight).mean()


def _uneven(error: Array, weight: Array) -> Array:
    """`mean`, but an error below 0 counts `DARKER` times as much as one above."""
    uneven = abs(error) + (DARKER - 1) * (-error).clip(0, None)
    return (uneven * weight).mean() * 2 / (1 + DARKER)


def _largest(image: Array) -> Array:
    """Largest channel of (B, 3, H, W), which stays as (B, 1, H, W)."""
    red, green, blue = image[:, 0:1], image[:, 1:2], image[:, 2:3]
    larger = red + (green - red).clip(0, None)
    return larger + (blue - larger).clip(0, None)


def _without_grey(error: Array) -> Array:
    """What is left of an error without its mean over the colours."""
    return error - (error[:, 0:1] + error[:, 1:2] + error[:, 2:3]) / 3


def edges(error: Array, weight: Array) -> Array:
    """Error of the differences between neighbours: what keeps texture under a highlight."""
    across = mean(error[:, :, :, 1:] - error[:, :, :, :-1], weight[:, :, :, 1:])
    down = mean(error[:, :, 1:] - error[:, :, :-1], weight[:, :, 1:])
    return across + down


def _least(image: Array, light: Array) -> Array:
    """Least channel of an image in units of the light's colour, display, (B, 1, H, W)."""
    return optics.encode(-_largest(-optics.decode(image) / light) + 1e-5)


def cross_entropy(logits: Array, truth: Array, weight: Array) -> Array:
    """Binary cross entropy; its slope is right at 0 too, where an untrained network stands."""
    size = abs(logits)
    return (weight * (0.5 * (logits + size) - logits * truth + (-size).exp().log1p())).mean()
