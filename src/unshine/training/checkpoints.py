"""Training state on disk: safetensors shards below 16 MB and a JSON file, never pickle."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unshine.errors import UnshineError

if TYPE_CHECKING:
    from torch import Tensor

SHARD_BYTES = 15_000_000
"""So that a checkpoint can travel through tools that limit the size of a file."""


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, which takes the place of `folder` once it is complete."""
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def save_checkpoint(folder: Path, tensors: "dict[str, Tensor]", state: dict[str, Any]) -> None:
    """Write a checkpoint; an earlier one at the same place stays whole until this one is."""
    from safetensors.torch import save_file

    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        bytes_ = tensor.numel() * tensor.element_size()
        if size + bytes_ > SHARD_BYTES and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = tensor.detach().cpu().contiguous()
        size += bytes_
    with replacing(folder) as new:
        for index, shard in enumerate(shards):
            save_file(shard, new / f"state-{index}.safetensors")
        (new / "state.json").write_text(json.dumps(state, indent=1))


def starting_point(init: Path | None, resume: Path | None) -> tuple[Path | None, Path | None]:
    """Return the weights or the checkpoint to start from, of what a run is told.

    A path to resume from that exists and is no checkpoint can only be weights.
    """
    if resume and resume.exists() and not (resume / "state.json").exists():
        return resume, None
    return init, resume


def load_checkpoint(folder: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    UnshineError
        If `folder` is no checkpoint.
    """
    from safetensors.torch import load_file

    state = load_state(folder, "torch")
    tensors: dict[str, Tensor] = {}
    try:
        for shard in folder.glob("state-*.safetensors"):
            tensors.update(load_file(shard))
    except Exception as error:  # safetensors raises its own and the operating system's
        raise UnshineError(f"{folder}: the checkpoint is damaged: {error}.") from error
    return tensors, state


def load_state(folder: Path, framework: str) -> dict[str, Any]:
    """Read what a checkpoint says about its run, which must have been one of that framework.

    Raises
    ------
    UnshineError
        If `folder` is no checkpoint, or another framework's.
    """
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise UnshineError(f"{folder} is no training checkpoint: {error}.") from error
    written = state.get("framework", "torch")
    if written != framework:
        raise UnshineError(
            f"{folder} is a checkpoint of the backend {written}; the weights.safetensors beside it"
            " start either (init)."
        )
    return state
