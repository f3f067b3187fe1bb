"""Weights on disk: float16 safetensors, which loading cannot make run code."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from unshine.errors import UnshineError


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
