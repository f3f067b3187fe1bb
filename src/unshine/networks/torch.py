"""The PyTorch network that weights are of."""

import numpy as np
import torch
from torch import nn

from unshine.networks import tshrnet
from unshine.networks.weights import Weights


def network_of(weights: Weights) -> nn.Module:
    """Build a network and fill it; it is in evaluation mode.

    The first of what it returns is what `weights.outputs` names; our own network's losses need
    more.
    """
    if weights.network == "tshrnet":
        from unshine.networks.tshrnet.torch import TSHRNet, load

        paper = TSHRNet(weights.variant or "published", width=tshrnet.width_of(weights.tensors))
        load(paper, weights.tensors)
        return paper.eval()
    from unshine.networks.three_stage.torch import ThreeStage

    ours = ThreeStage(weights.sizes)
    tensors = {n: torch.from_numpy(x.astype(np.float32)) for n, x in weights.tensors.items()}
    ours.load_state_dict(tensors)
    return ours.eval()
