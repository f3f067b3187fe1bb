"""Weights on disk, of either network, whoever wrote them; reading a file never runs code.

Ours are safetensors: float16 for the three-stage network, float32 for TSHRNet. The published
TSHRNet comes as a folder of four PyTorch or MindSpore files.
"""

import importlib
import pickle
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from unshine.errors import UnshineError
from unshine.networks import EXTRAS, tshrnet
from unshine.networks.three_stage import OUTPUTS, Sizes

if TYPE_CHECKING:
    from torch import nn

Tensors = dict[str, NDArray[Any]]

PUBLISHED = re.compile(r"UNet([1-4])_(\d+)\.(pth|ckpt)")
"""Names of the published files: number of the network, epoch, framework."""

FIRST = {"three_stage": "albedo.stem.weight", "tshrnet": "UNet1.Cv0.conv.weight"}
"""A tensor of each network, by which its weights are recognised."""


@dataclass(frozen=True)
class Weights:
    """What a network has learnt, in no framework's terms."""

    network: Literal["three_stage", "tshrnet"]
    tensors: Tensors
    """Under PyTorch's names, those of TSHRNet with `UNet1.` to `UNet4.` before them; TSHRNet's are
    float32, the three-stage network's as they were stored. `num_batches_tracked` may be among
    them and means nothing to the network."""
    variant: tshrnet.Variant | Literal[""] = ""
    """TSHRNet's; empty for the three-stage network."""

    @property
    def sizes(self) -> Sizes:
        """What `three_stage` needs to know to build the network for these tensors."""
        return _sizes(self.tensors)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the network gives to users, in its order."""
        return tshrnet.OUTPUTS[self.variant] if self.variant else OUTPUTS


def read_weights(path: Path, variant: str | None = None) -> Weights:
    """Read weights, recognising them by what is in them.

    Parameters
    ----------
    path : Path
        A safetensors file (which needs neither framework), a PyTorch or MindSpore file, or a folder
        with the four published files `UNet1_60.pth` ... `UNet4_60.pth`, or `.ckpt`; of several
        complete sets the latest epoch.
    variant : str, optional
        How TSHRNet was trained; without it what the file says, else "published". The published
        files do not say: those for SHIQ, PSD and mixtures are "mixed".

    Raises
    ------
    UnshineError
        If there are no such weights, or what is there holds anything but tensors.
    """
    if variant is not None and variant not in tshrnet.VARIANTS:
        names = ", ".join(tshrnet.VARIANTS)
        raise UnshineError(f"There is no variant {variant!r} of TSHRNet; choose one of {names}.")
    path = Path(path)
    stated: str | None = None
    if path.is_dir():
        tensors: Tensors = {}
        for number, file in enumerate(_published(path), 1):
            part, _ = _read_file(file)
            expected = {
                name.removeprefix(f"UNet{number}."): shape
                for name, shape in tshrnet.shapes(_width(part, "Cv0.conv.weight")).items()
                if name.startswith(f"UNet{number}.")
            }
            part = _pick(file, part, "Cv0.conv.weight", expected)
            tensors |= {f"UNet{number}.{name}": x for name, x in part.items()}
        network: Literal["three_stage", "tshrnet"] = "tshrnet"
        _check(path, tensors, tshrnet.shapes(tshrnet.width_of(tensors)))
    else:
        found, stated = _read_file(path)
        if _prefix(found, FIRST["tshrnet"]) is not None:
            network = "tshrnet"
            shapes = tshrnet.shapes(_width(found, FIRST["tshrnet"]))
        elif _prefix(found, FIRST["three_stage"]) is not None:
            network = "three_stage"
            shapes = _shapes(path, found)
        elif _prefix(found, "Cv0.conv.weight") is not None:
            raise UnshineError(
                f"{path} is one of TSHRNet's four networks; give the folder that holds all four."
            )
        else:
            raise UnshineError(f"{path} holds the weights of none of Unshine's networks.")
        tensors = _pick(path, found, FIRST[network], shapes)
    if network == "three_stage":
        if variant:
            raise UnshineError(f"{path} is not TSHRNet: only that has variants.")
        return Weights(network, tensors)
    chosen = variant or stated
    return Weights(
        network, tensors, next((v for v in tshrnet.VARIANTS if v == chosen), "published")
    )


def write_weights(path: Path, weights: Weights) -> None:
    """Write weights as safetensors: float16 for the three-stage network, float32 for TSHRNet."""
    kind = np.float16 if weights.network == "three_stage" else np.float32
    tensors = {
        # What is not floating point only counts batches.
        name: np.asarray(x, kind if x.dtype.kind == "f" else x.dtype, order="C")
        for name, x in weights.tensors.items()
    }
    # A single entry: of several, safetensors changes the order from run to run.
    metadata: dict[str, str] | None = {"variant": weights.variant} if weights.variant else None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, metadata)
    # Nobody else may read what safetensors writes.
    temporary.chmod(0o644)
    temporary.replace(path)


def save_weights(path: Path, model: "nn.Module") -> None:
    """Write the weights of a PyTorch `ThreeStage` or `TSHRNet` with `write_weights`."""
    tensors = {name: x.detach().cpu().numpy() for name, x in model.state_dict().items()}
    if variant := getattr(model, "variant", None):
        write_weights(path, Weights("tshrnet", tensors, variant))
    else:
        write_weights(path, Weights("three_stage", tensors))


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
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, np.zeros((), np.int64))
    if {n: x.shape for n, x in tensors.items()} != {n: tuple(x.shape) for n, x in own.items()}:
        raise UnshineError(f"{path} holds the weights of another network than this one.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.from_numpy(tensors[name]))


def framework(name: Literal["torch", "mindspore"]) -> Any:
    """Import a framework.

    Raises
    ------
    UnshineError
        If it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        title, extra = EXTRAS[name]
        raise UnshineError(
            f'{title} is missing; install it with: pip install "unshine[{extra}]"'
        ) from error


def _published(folder: Path) -> list[Path]:
    """The four published files in a folder, of the latest epoch that is complete."""
    sets: dict[tuple[int, str], dict[int, Path]] = {}
    for file in sorted(folder.iterdir()):
        if match := PUBLISHED.fullmatch(file.name):
            number, epoch, ending = match.groups()
            sets.setdefault((int(epoch), ending), {})[int(number)] = file
    complete = [key for key, files in sets.items() if len(files) == 4]
    if complete:
        files = sets[max(complete)]
        return [files[number] for number in range(1, 5)]
    if sets:
        (epoch, ending), files = max(sets.items(), key=lambda item: (len(item[1]), item[0]))
        absent = min(set(range(1, 5)) - set(files))
        raise UnshineError(f"{folder}: UNet{absent}_{epoch}.{ending} is missing.")
    raise UnshineError(
        f"{folder} holds no weights: there should be UNet1_60.pth to UNet4_60.pth, or .ckpt."
    )


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
    torch = framework("torch")
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
    mindspore = framework("mindspore")
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
        if stem.endswith(".after"):
            last = tshrnet.BATCHNORM.get(last, last)
        found[f"{stem}.{last}" if stem else last] = x
    return found


def _prefix(tensors: Tensors, first: str) -> str | None:
    """What stands before the names of a network's tensors, recognised by its first."""
    prefixes = [name.removesuffix(first) for name in tensors if name.endswith(first)]
    # An optimiser's moments have longer names than the weights that they are for.
    prefixes = [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]
    return min(prefixes, key=len, default=None)


def _width(tensors: Tensors, first: str) -> int:
    prefix = _prefix(tensors, first)
    return 0 if prefix is None else int(tensors[prefix + first].shape[0])


def _pick(path: Path, tensors: Tensors, first: str, shapes: dict[str, tuple[int, ...]]) -> Tensors:
    """A network's own tensors among those of a file, in the order of `shapes`."""
    prefix = _prefix(tensors, first) or ""
    own = {name: tensors[prefix + name] for name in shapes if prefix + name in tensors}
    for name in shapes:
        counter = name.removesuffix("running_var") + "num_batches_tracked"
        if name.endswith("running_var") and prefix + counter in tensors:
            own[counter] = tensors[prefix + counter].astype(np.int64).reshape(())
    _check(path, own, shapes)
    if first != FIRST["three_stage"]:
        own = {n: _single(x) for n, x in own.items()}
    return own


def _single(x: NDArray[Any]) -> NDArray[Any]:
    return x.astype(np.float32, copy=False) if x.dtype.kind == "f" else x


def _check(path: Path, tensors: Tensors, shapes: dict[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if name not in tensors:
            raise UnshineError(f"{path}: the tensor {name} is missing.")
        if tensors[name].shape != shape:
            has, needs = ("×".join(map(str, x)) for x in (tensors[name].shape, shape))
            raise UnshineError(f"{path}: the tensor {name} is {has} instead of {needs}.")
        if tensors[name].dtype.kind != "f":
            raise UnshineError(f"{path}: the tensor {name} does not hold floating-point numbers.")


def _sizes(tensors: Tensors) -> Sizes:
    """Read the three-stage network's sizes off its tensors."""

    def count(start: str) -> int:
        pattern = re.compile(re.escape(start) + r"\.(\d+)\.")
        return len({match[1] for name in tensors if (match := pattern.match(name))})

    def widths(network: str) -> tuple[int, ...]:
        names = [f"{network}.down.{level}.weight" for level in range(count(f"{network}.down"))]
        names = [f"{network}.stem.weight", *names]
        return tuple(int(tensors[name].shape[0]) for name in names if name in tensors)

    return Sizes(
        albedo=widths("albedo"),
        shading=widths("shading"),
        refine=widths("refine"),
        tone=widths("tone"),
        blocks=count("albedo.encoder.0"),
    )


def _shapes(path: Path, tensors: Tensors) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the three-stage network with these tensors' sizes."""
    prefix = _prefix(tensors, FIRST["three_stage"]) or ""
    sizes = _sizes({n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix)})
    found: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, outputs: int, inputs: int, size: int) -> None:
        found[f"{name}.weight"] = (outputs, inputs, size, size)
        found[f"{name}.bias"] = (outputs,)

    def blocks(name: str, width: int) -> None:
        for index in range(sizes.blocks):
            convolution(f"{name}.{index}.first", width, width, 3)
            convolution(f"{name}.{index}.second", width, width, 3)

    for name, inputs, outputs in (
        ("albedo", 3, 3),
        ("shading", 3, 3),
        ("refine", 6, 3),
        ("tone", 9, 4),
    ):
        widths: tuple[int, ...] = getattr(sizes, name)
        if not widths:
            raise UnshineError(f"{path}: the tensor {name}.stem.weight is missing.")
        convolution(f"{name}.stem", widths[0], inputs, 4)
        for level, (wide, deep) in enumerate(pairwise(widths)):
            convolution(f"{name}.down.{level}", deep, wide, 2)
            blocks(f"{name}.encoder.{level}", deep)
            convolution(f"{name}.up.{level}", wide, deep, 1)
            blocks(f"{name}.decoder.{level}", wide)
        convolution(f"{name}.head", 4 * outputs, widths[0], 3)
    return found
