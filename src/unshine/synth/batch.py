"""Building blocks of batched scenes: random numbers, pixel positions, directions, a blur."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import get_worker_info


def worker_seed(seed: int) -> int:
    """Return the seed of this worker of a DataLoader: no two workers, nor two seeds, share one."""
    worker = get_worker_info()
    return seed * 1000 + (worker.id if worker else 0)


class BatchRandom:
    """Random numbers of one seed, one for each scene of a batch, shaped to broadcast."""

    def __init__(self, batch: int, generator: torch.Generator) -> None:
        self.batch, self.generator, self.device = batch, generator, generator.device

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        """Evenly between two values."""
        shape = (self.batch, channels, 1, 1)
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        """Between two positive values, every factor alike."""
        return torch.exp(self.uniform(math.log(low), math.log(high), channels))

    def normal(self, channels: int = 1) -> Tensor:
        """Gaussian, mean 0 and deviation 1."""
        shape = (self.batch, channels, 1, 1)
        return torch.randn(shape, generator=self.generator, device=self.device)

    def bernoulli(self, probability: float) -> Tensor:
        """1.0 with the given probability, else 0.0."""
        return (self.uniform(0, 1) < probability).float()

    def angle(self) -> Tensor:
        """Any angle, in radians."""
        return self.uniform(-math.pi, math.pi)


def plane(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel centres of the image plane, which reaches from -1 to 1: x to the right, y down."""
    axis = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    return axis[None, None, None, :], axis[None, None, :, None]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Dot product of directions, (B, 3, ...); much faster than a reduction over three channels."""
    return a[:, :1] * b[:, :1] + a[:, 1:2] * b[:, 1:2] + a[:, 2:] * b[:, 2:]


def unit(direction: Tensor) -> Tensor:
    """Directions of length 1, (B, 3, ...)."""
    return direction * torch.rsqrt(dot(direction, direction) + 1e-12)


def blur(field: Tensor, radius: int) -> Tensor:
    """A wide, soft blur: averages of blocks, smoothly interpolated."""
    small = F.avg_pool2d(field, radius, ceil_mode=True, count_include_pad=False)
    small = F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return F.interpolate(small, size=field.shape[-2:], mode="bilinear")
