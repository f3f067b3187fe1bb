"""Our network or the paper's under MindSpore, as a compiled graph."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import mindspore
import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.networks import SHIPPED, in_its_space
from unshine.networks.weights import read_weights


class MindSporeEngine:
    """A loaded network; call it often, from several threads if you like: they take turns.

    The first image of a size takes seconds longer, since the graph is compiled for it; sizes that
    need the same padding share a graph.

    Parameters
    ----------
    weights : path, optional
        What `read_weights` reads; the shipped weights if left out.
    device : {"auto", "cpu", "ascend"}
        `auto` takes what this process uses already, or else what this MindSpore prefers.
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
        self.device = use(device)
        self.weights = Path(weights) if weights is not None else SHIPPED
        given = read_weights(self.weights, variant)
        self.names = given.outputs
        self.multiple = given.architecture.multiple(given.tensors)
        self.network = given.architecture
        # Not the global mode, which belongs to the program around us.
        self._graph = mindspore.jit(given.build("mindspore").construct)
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __call__(
        self, image: NDArray[np.float32], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network; see `Engine`."""
        height, width = image.shape[2:]
        # As the network would do inside, but then every size would be a graph of its own.
        room = ((0, 0), (0, 0), (0, -height % self.multiple), (0, -width % self.multiple))
        padded = mindspore.Tensor(np.pad(image, room, "edge"))
        wanted = outputs or self.names
        with self._lock:
            everything = self._graph(padded)
            layers = {name: everything[self.names.index(name)].asnumpy() for name in wanted}
        return {
            name: in_its_space(self.network, name, layer[..., :height, :width])
            for name, layer in layers.items()
        }


def available_devices() -> list[str]:
    """Return the devices that this MindSpore can use here, the preferred one first."""
    preferred = mindspore.get_context("device_target").lower()
    return ["cpu"] if preferred == "cpu" else [preferred, "cpu"]


def use(wanted: str) -> str:
    """Make MindSpore compute on a device, and return which it is; best before its first operation.

    Raises
    ------
    UnshineError
        If the device is not there.
    """
    devices = available_devices()
    device = devices[0] if wanted == "auto" else wanted
    if device not in devices:
        raise UnshineError(
            f"MindSpore has no device {wanted!r} here; choose auto or {' or '.join(devices)}."
        )
    if device != devices[0]:
        mindspore.set_device("CPU")
    if device == "cpu":
        # Else the calling thread waits for the others in an empty loop, at the cost of a processor:
        # with two, a training step takes twice as long. Read by MindSpore at its first operation.
        os.environ.setdefault("MS_DEV_HOST_BLOCKING_RUN", "1")
    return device
