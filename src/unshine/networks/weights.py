"""Weights on disk, of either network, whoever wrote them; reading a file never runs code.

Ours are safetensors: float16 for the three-stage network, float32 for TSHRNet. The published
TSHRNet comes as a folder of four PyTorch or MindSpore files.
"""

import pickle
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from unshine import extras
from unshine.errors import UnshineError
from unshine.files import writing
from unshine.networks import NETWORKS, Network
from unshine.networks.tshrnet import published

if TYPE_CHECKING:
    from torch import nn

Tensors = dict[str, NDArray[Any]]

BATCHNORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""MindSpore's names of what BatchNorm holds, and PyTorch's."""
COUNTER = "num_batches_tracked"
"""What PyTorch's BatchNorm counts besides; it means nothing to the networks."""


@dataclass(frozen=True)
class Weights:
    """What a network has learnt, in no framework's terms."""

    network: str
    """One of `NETWORKS`."""
    tensors: Tensors
    """Under PyTorch's names, those of TSHRNet with `UNet1.` to `UNet4.` before them; TSHRNet's are
    float32, the three-stage network's as they were stored. `num_batches_tracked` may be among
    them."""
    variant: str = ""
    """One of the network's `VARIANTS`; empty if it has none."""

    @property
    def architecture(self) -> Network:
        """The network that the weights are of."""
        return NETWORKS[self.network]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the network gives to users, in its order."""
        return self.architecture.outputs(self.variant)

    def build(self, framework: Literal["torch", "mindspore"]) -> Any:
        """Build a framework's network and fill it; it is in evaluation mode.

        It takes display values, (B, 3, H, W), and returns a tuple that begins with `outputs`;
        losses may need more.

        Raises
        ------
        UnshineError
            If the framework is not installed.
        """
        extra = {"torch": "train", "mindspore": "mindspore"}[framework]
        return extras.load(f"unshine.networks.{self.network}.{framework}", extra).build(self)


def read_weights(path: str | Path, variant: str | None = None) -> Weights:
    """Read weights, recognising them by what is in them.

    Parameters
    ----------
    path : path
        A safetensors file (which needs neither framework), a PyTorch or MindSpore file, or a folder
        with the four published files `UNet1_60.pth` ... `UNet4_60.pth`, or `.ckpt`; of several
        complete sets the latest epoch.
    variant : str, optional
        How TSHRNet was trained; without it what the file says, else "published". The published
        files do not say: those for SHIQ, PSD and mixtures are "mixed".

    Returns
    -------
    Weights

    Raises
    ------
    UnshineError
        If there are no such weights, or what is there holds anything but tensors.
    """
    known = [one for network in NETWORKS.values() for one in network.VARIANTS]
    if variant is not None and variant not in known:
        names = ", ".join(known)
        raise UnshineError(f"There is no variant {variant!r} of TSHRNet; choose one of {names}.")
    path = Path(path)
    if path.is_dir():
        stated = None
        found: Tensors = {}
        for part, file in published.find(path).items():
            tensors, _ = _read_file(file)
            before = _prefix(tensors, published.MARKER) or ""
            found |= {f"{part}.{n.removeprefix(before)}": x for n, x in tensors.items()}
    else:
        found, stated = _read_file(path)
        if not _recognise(found) and _prefix(found, published.MARKER) is not None:
            raise UnshineError(
                f"{path} is one of TSHRNet's four networks; give the folder that holds all four."
            )
    network = _recognise(found)
    if network is None:
        raise UnshineError(f"{path} holds the weights of none of Unshine's networks.")
    if variant is not None and not network.VARIANTS:
        raise UnshineError(f"{path} is not TSHRNet, and has no variants.")
    chosen = variant or stated
    if chosen not in network.VARIANTS:
        chosen = next(iter(network.VARIANTS), "")
    return Weights(network.NAME, _pick(path, found, network), chosen)


def write_weights(path: Path, weights: Weights) -> None:
    """Write weights as safetensors: float16 for the three-stage network, float32 for TSHRNet."""
    stored = weights.architecture.STORED
    tensors = {
        # What is not floating point only counts batches.
        name: np.asarray(x, stored if x.dtype.kind == "f" else x.dtype, order="C")
        for name, x in weights.tensors.items()
    }
    # A single entry: of several, safetensors changes the order from run to run.
    metadata: dict[str, str] | None = {"variant": weights.variant} if weights.variant else None
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path, overwrite=True) as temporary:
        save_file(tensors, temporary, metadata)


def save_weights(path: Path, model: "nn.Module") -> None:
    """Write the weights of a PyTorch `ThreeStage` or `TSHRNet` with `write_weights`."""
    tensors = {name: x.detach().cpu().numpy() for name, x in model.state_dict().items()}
    network = _recognise(tensors)
    assert network is not None
    write_weights(path, Weights(network.NAME, tensors, getattr(model, "variant", "")))


def load_weights(path: Path, model: "nn.Module") -> None:
    """Read weights into a PyTorch network of the same sizes.

    Raises
    ------
    UnshineError
        If they cannot be read, or are of another network.
    """
    import torch

    tensors = read_weights(path).tensors
    own = model.state_dict()
    for name in own:
        if name.endswith(COUNTER):
            tensors.setdefault(name, np.zeros((), np.int64))
    if {n: x.shape for n, x in tensors.items()} != {n: tuple(x.shape) for n, x in own.items()}:
        raise UnshineError(f"{path} holds the weights of another network than this one.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.from_numpy(tensors[name]))


def _read_file(path: Path) -> tuple[Tensors, str | None]:
    """All tensors of a file under PyTorch's names, and the variant that it states, if any."""
    if not path.is_file():
        raise UnshineError(f"{path}: there is no weights file here.")
    with path.open("rb") as file:
        start = file.read(16)
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return _renamed(_flat(_read_torch(path))), None
    if start[:1] == b"\x08":
        raise UnshineError(
            f"{path} looks like an ONNX file, which runs as it is but gives no weights back."
        )
    if start[:1] == b"\n":
        return _renamed(_read_mindspore(path)), None
    raise UnshineError(
        f"{path} cannot be read as weights: it is neither safetensors nor a PyTorch or MindSpore"
        " checkpoint."
    )


def _read_safetensors(path: Path) -> tuple[Tensors, str | None]:
    from safetensors import safe_open

    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises its own and the operating system's
        raise UnshineError(f"{path} cannot be read as safetensors weights: {error}.") from error
    return _renamed(tensors), metadata.get("variant")


def _read_torch(path: Path) -> Any:
    torch = extras.load("torch", "train")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnshineError(
            f"{path} holds Python objects other than tensors and was not loaded, since loading"
            " those can run any code; save its state dict alone."
        ) from error
    except Exception as error:  # of every kind, for a damaged file
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise UnshineError(f"{path} cannot be read as a PyTorch checkpoint: {reason}") from error


def _read_mindspore(path: Path) -> Tensors:
    mindspore = extras.load("mindspore", "mindspore")
    try:
        with tempfile.TemporaryDirectory() as folder:
            # MindSpore wants this ending.
            link = Path(folder) / "weights.ckpt"
            link.symlink_to(path.resolve())
            parameters = mindspore.load_checkpoint(str(link))
        return {name: x.asnumpy() for name, x in parameters.items() if hasattr(x, "asnumpy")}
    except Exception as error:  # of every kind, for a damaged file
        raise UnshineError(f"{path} cannot be read as a MindSpore checkpoint.") from error


def _flat(state: Any, name: str = "") -> Tensors:
    """The tensors of nested dictionaries, their names joined by dots."""
    if isinstance(state, Mapping):
        found: Tensors = {}
        for key, value in state.items():
            found |= _flat(value, f"{name}.{key}" if name else str(key))
        return found
    if hasattr(state, "detach"):
        # NumPy has no bfloat16.
        state = state.detach().float() if state.dtype.is_floating_point else state
        return {name: state.contiguous().numpy()}
    return {}


def _renamed(tensors: Tensors) -> Tensors:
    """From MindSpore's BatchNorm names to PyTorch's, and without DataParallel's prefix."""
    found = {}
    for name, x in tensors.items():
        stem, _, last = re.sub(r"(^|\.)module\.", r"\1", name).rpartition(".")
        last = BATCHNORM.get(last, last)
        found[f"{stem}.{last}" if stem else last] = x
    return found


def _prefix(tensors: Tensors, first: str) -> str | None:
    """What stands before the names of a network's tensors, recognised by its first."""
    prefixes = [name.removesuffix(first) for name in tensors if name.endswith(first)]
    # An optimiser's moments have longer names than the weights that they are for.
    prefixes = [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]
    return min(prefixes, key=len, default=None)


def _recognise(tensors: Tensors) -> Network | None:
    """Return the network that tensors of these names are for."""
    for network in NETWORKS.values():
        if _prefix(tensors, network.MARKER) is not None:
            return network
    return None


def _pick(path: Path, tensors: Tensors, network: Network) -> Tensors:
    """A network's own tensors among those of a file, in the network's order."""
    prefix = _prefix(tensors, network.MARKER) or ""
    tensors = {n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix)}
    shapes = network.shapes(tensors)
    own = {name: tensors[name] for name in shapes if name in tensors}
    _check(path, own, shapes)
    for name in shapes:
        counter = name.removesuffix("running_var") + COUNTER
        if name.endswith("running_var") and counter in tensors:
            own[counter] = tensors[counter].astype(np.int64).reshape(())
    if np.float32 == network.STORED:
        own = {n: x.astype(np.float32) if x.dtype.kind == "f" else x for n, x in own.items()}
    return own


def _check(path: Path, tensors: Tensors, shapes: dict[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if name not in tensors:
            raise UnshineError(f"{path}: the tensor {name} is missing.")
        if tensors[name].shape != shape:
            has, needs = ("×".join(map(str, x)) for x in (tensors[name].shape, shape))
            raise UnshineError(f"{path}: the tensor {name} is {has} instead of {needs}.")
        if tensors[name].dtype.kind != "f":
            raise UnshineError(f"{path}: the tensor {name} does not hold floating-point numbers.")
