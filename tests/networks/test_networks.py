"""What every network says of itself, and that a further one needs no other change."""

import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from unshine import networks
from unshine.engines.onnx import OnnxEngine
from unshine.networks import NETWORKS, SHIPPED, tshrnet
from unshine.networks.export import write_onnx
from unshine.networks.weights import Weights, read_weights, write_weights
from unshine.remover import Remover

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def tensors(name: str) -> dict[str, np.ndarray]:
    """Weights of each network, of TSHRNet a narrow one."""
    return tshrnet.initial(0, 4) if name == "tshrnet" else read_weights(SHIPPED).tensors


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_knows_its_own_weights(name: str, tmp_path: Path) -> None:
    network, found = NETWORKS[name], tensors(name)
    assert name == network.NAME
    assert network.MARKER in found
    assert network.shapes(found) == {n: x.shape for n, x in found.items()}
    variant = next(iter(network.VARIANTS), "")
    write_weights(tmp_path / "w", Weights(name, found, variant))
    weights = read_weights(tmp_path / "w")
    assert weights.architecture is network
    assert {x.dtype for x in weights.tensors.values()} == {np.dtype(network.STORED)}
    with torch.no_grad():
        outputs = weights.build("torch")(torch.rand(1, 3, 20, 30))
    assert outputs._fields[: len(weights.outputs)] == weights.outputs


def further() -> tuple[ModuleType, ModuleType]:
    """A network that darkens by a learnt gain: what its package and its torch.py would hold."""
    package = ModuleType("unshine.networks.further")
    package.__dict__.update(
        NAME="further",
        TITLE="A further network",
        MARKER="gain",
        STORED=np.float32,
        VARIANTS=(),
        LINEAR=("specular",),
        EXPOSED=False,
        outputs=lambda variant: ("specular", "diffuse", "clean"),
        shapes=lambda tensors: {"gain": (1,)},
        multiple=lambda tensors: 1,
    )

    class Further(torch.nn.Module):
        def __init__(self, gain: np.ndarray) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.from_numpy(gain))

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            clean = image * self.gain
            return Outputs(image**2.2 - clean**2.2, clean, clean)

    class Outputs(NamedTuple):
        specular: torch.Tensor
        diffuse: torch.Tensor
        clean: torch.Tensor

    framework = ModuleType("unshine.networks.further.torch")
    framework.build = lambda weights: Further(weights.tensors["gain"]).eval()
    return package, framework


def test_a_further_network_needs_no_other_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, framework = further()
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, framework.__name__, framework)
    monkeypatch.setitem(networks.NETWORKS, "further", package)  # all there is to add
    weights = Weights("further", {"gain": np.float32([0.5])})
    write_weights(tmp_path / "w.safetensors", weights)
    image = np.full((20, 30, 3), 200, np.uint8)
    assert (Remover(weights=tmp_path / "w.safetensors").remove(image) == 100).all()
    assert write_onnx(tmp_path / "w.onnx", weights) < 1e-6
    assert OnnxEngine(tmp_path / "w.onnx").network is package
    remover = Remover(weights=tmp_path / "w.onnx")
    assert (remover(image) == 100).all()
    light = np.float32(200 / 255) ** 2.2 - np.float32(100 / 255) ** 2.2
    assert np.allclose(remover.analyse(image).layer("specular"), light, atol=1e-3)
