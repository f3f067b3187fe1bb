"""The MindSpore network that weights are of."""

from mindspore import nn

from unshine.networks import tshrnet
from unshine.networks.weights import Weights


def network_of(weights: Weights) -> nn.Cell:
    """Build a network and fill it; it is in evaluation mode.

    The first of what it returns is what `weights.outputs` names; our own network's losses need
    more.
    """
    if weights.network == "tshrnet":
        from unshine.networks.tshrnet.mindspore import TSHRNet, load

        paper = TSHRNet(weights.variant or "published", width=tshrnet.width_of(weights.tensors))
        load(paper, weights.tensors)
        return paper.set_train(False)
    from unshine.networks.three_stage import mindspore as three_stage

    ours = three_stage.ThreeStage(weights.sizes)
    three_stage.load(ours, weights.tensors)
    return ours.set_train(False)
