"""Our network or the paper's under PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.networks import SHIPPED, in_its_space
from unshine.networks.weights import read_weights


class TorchEngine:
    """A loaded network; call it often, from as many threads as you like; it can be pickled.

    Parameters
    ----------
    weights : path, optional
        What `read_weights` reads; the shipped weights if left out.
    device : {"auto", "cpu", "cuda", "mps"}
        `auto` takes the first of CUDA, MPS and CPU that is there.
    variant : str, optional
        Which of TSHRNet's variants, where the weights do not say.

    Raises
    ------
    UnshineError
        If the weights cannot be used or the device is not there.
    """

    def __init__(
        self, weights: str | Path | None = None, device: str = "auto", variant: str | None = None
    ) -> None:
        self._arguments = (weights and Path(weights).resolve(), device, variant)
        self.device = _device(device)
        self.weights = Path(weights) if weights is not None else SHIPPED
        given = read_weights(self.weights, variant)
        self.names = given.outputs
        self.network = given.architecture
        self._module = given.build("torch").to(self.device)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __call__(
        self, image: NDArray[np.float32], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network; see `Engine`."""
        with torch.inference_mode():
            everything = self._module(torch.from_numpy(image).to(self.device))
        return {
            name: in_its_space(self.network, name, getattr(everything, name).cpu().numpy())
            for name in outputs or self.names
        }


def available_devices() -> list[str]:
    """Return the devices that this PyTorch can use here, the preferred one first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [*(name for name, usable in there.items() if usable), "cpu"]


def _device(wanted: str) -> str:
    devices = available_devices()
    if wanted == "auto":
        return devices[0]
    if wanted not in devices:
        raise UnshineError(
            f"PyTorch has no device {wanted!r} here; choose auto or {' or '.join(devices)}."
        )
    return wanted
