"""Training state on disk: safetensors shards below 16 MB and a JSON file, never pickle."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unshine.errors import UnshineError

SHARD_BYTES = 15_000_000
"""So that a checkpoint can travel through tools that limit the size of a file."""


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write a checkpoint; an earlier one at the same place stays whole until this one is."""
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        bytes_ = tensor.numel() * tensor.element_size()
        if size + bytes_ > SHARD_BYTES and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = tensor.detach().cpu().contiguous()
        size += bytes_
    for index, shard in enumerate(shards):
        save_file(shard, temporary / f"state-{index}.safetensors")
    (temporary / "state.json").write_text(json.dumps(state, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    UnshineError
        If `folder` is no checkpoint.
    """
    try:
        state = json.loads((folder / "state.json").read_text())
        tensors: dict[str, Tensor] = {}
        for shard in sorted(folder.glob("state-*.safetensors")):
            tensors.update(load_file(shard))
    except (OSError, ValueError) as error:
        raise UnshineError(f"{folder} is no training checkpoint: {error}.") from error
    return tensors, state


def save_weights(path: Path, model: nn.Module) -> None:
    """Write a model's weights as float16 safetensors."""
    weights = {name: x.detach().half().cpu().contiguous() for name, x in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file(weights, temporary)
    temporary.rename(path)


def load_weights(path: Path, model: nn.Module) -> None:
    """Read weights that `save_weights` wrote into a model of the same sizes.

    Raises
    ------
    UnshineError
        If the file cannot be read, or is of another network.
    """
    try:
        weights = load_file(path)
    except Exception as error:  # safetensors raises its own and the operating system's
        raise UnshineError(f"{path} cannot be read as safetensors weights: {error}.") from error
    own = model.state_dict()
    if {n: x.shape for n, x in weights.items()} != {n: x.shape for n, x in own.items()}:
        raise UnshineError(f"{path} holds the weights of another network than this one.")
    model.load_state_dict({name: x.to(torch.float32) for name, x in weights.items()})
