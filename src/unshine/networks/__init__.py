"""The networks: `three_stage` (ours) and `tshrnet` (the paper's), each once per framework.

A network is a package that knows itself: what `Network` lists stands in its ``__init__.py``. Its
``torch.py`` and ``mindspore.py`` make the framework's network: ``build(weights)`` of weights,
``untrained(seed, variant, width)`` for training, for which MindSpore's also has
``load(network, tensors)`` and ``tensors(network)``. Nothing else asks which network it has.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unshine import optics
from unshine.layers import SPACE
from unshine.networks import three_stage, tshrnet

SHIPPED = Path(__file__).parent.parent / "weights" / "fast.safetensors"
"""The weights that come with the package; `onnx` reads them by way of the graph beside them."""


class Network(Protocol):
    """What a network's package says of itself, in no framework's terms."""

    NAME: str
    """The package's name; ONNX files carry it in their metadata."""
    TITLE: str
    """What people call it."""
    MARKER: str
    """A tensor by which its weights are recognised."""
    STORED: type[np.floating]
    """The type of its weights on disk."""
    VARIANTS: tuple[str, ...]
    """The ways in which it may have been trained, where weights need to say; the usual first."""
    LINEAR: tuple[str, ...]
    """Which of its outputs are linear light; the other images are display values."""
    EXPOSED: bool
    """Whether it sees dark images brightened, as `unshine.exposure` does it."""

    def outputs(self, variant: str) -> tuple[str, ...]:
        """Return the names of what it gives to users, in its order."""

    def shapes(self, tensors: dict[str, NDArray[Any]]) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every tensor of the network that these tensors are for."""

    def multiple(self, tensors: dict[str, NDArray[Any]]) -> int:
        """Return what height and width are padded to multiples of, with these tensors."""


NETWORKS: dict[str, Network] = {network.NAME: network for network in (three_stage, tshrnet)}


def in_its_space(network: Network, name: str, output: Any) -> Any:
    """Turn an output as the network gives it into the space that layers of its name have."""
    stored_as_display = SPACE.get(name) == "linear" and name not in network.LINEAR
    return optics.decode(output) if stored_as_display else output
