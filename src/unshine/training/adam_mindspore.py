"""Adam as PyTorch computes it, in MindSpore."""

from collections.abc import Iterable
from typing import Any

import mindspore
from mindspore import Parameter, Tensor, nn, ops


class Adam(nn.Optimizer):
    """Adam whose ε stands beside the bias-corrected second moment, as in PyTorch and the paper.

    `mindspore.nn.Adam` puts it beside the uncorrected one: at the first step, with β₂ = 0.999,
    that is an ε 32 times as large, and where gradients are as small as ε the weights differ.

    Parameters
    ----------
    params : iterable of Parameter
    learning_rate : float or nn.learning_rate_schedule.LearningRateSchedule
    betas : pair of float
    eps : float

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        learning_rate: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate, list(params))
        self.beta1, self.beta2 = (Tensor(beta, mindspore.float32) for beta in betas)
        self.eps = Tensor(eps, mindspore.float32)
        self.beta1_power = Parameter(Tensor(1.0, mindspore.float32), name="beta1_power")
        self.beta2_power = Parameter(Tensor(1.0, mindspore.float32), name="beta2_power")
        self.moment1 = self._parameters.clone(prefix="moment1", init="zeros")
        self.moment2 = self._parameters.clone(prefix="moment2", init="zeros")
        self.update = ops.Adam()

    def construct(self, gradients: tuple[Tensor, ...]) -> Any:
        """Take one step; the gradients are in the order of the parameters."""
        rate = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        power1 = self.beta1_power * self.beta1
        power2 = self.beta2_power * self.beta2
        self.beta1_power = power1
        self.beta2_power = power2
        # MindSpore's operator divides by √v + ε, v uncorrected; with this ε it is PyTorch's step.
        eps = self.eps * ops.sqrt(1 - power2)
        for i in range(len(self._parameters)):
            self.update(
                self._parameters[i],
                self.moment1[i],
                self.moment2[i],
                power1,
                power2,
                rate,
                self.beta1,
                self.beta2,
                eps,
                gradients[i],
            )
        return True
