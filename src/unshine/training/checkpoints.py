"""Training state on disk: safetensors shards below 16 MB and a JSON file, never pickle."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

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
