"""Splits for training, validation and tests: by mesh, so that no mesh is in two of them."""

import hashlib
from dataclasses import replace
from typing import Literal

from unshine.errors import UnshineError
from unshine.synth.assets import Assets

MeshSplit = Literal["train", "validation", "test"]
WantedSplit = Literal["all", MeshSplit]

SHARES: dict[MeshSplit, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""The splits, and the share of the meshes that each has."""


def split_of(mesh: str) -> MeshSplit:
    """Say which split a mesh belongs to; its name alone decides, in every dataset alike."""
    return pick(mesh, SHARES)


def by_split(assets: Assets, wanted: WantedSplit) -> dict[MeshSplit, Assets]:
    """Share the meshes out among the splits; splits without any are left out.

    Raises
    ------
    UnshineError
        If there is no mesh for what is wanted.
    """
    shares: dict[MeshSplit, Assets] = {}
    for split in SHARES:
        meshes = tuple(mesh for mesh in assets.meshes if split_of(mesh.name) == split)
        if meshes and wanted in ("all", split):
            shares[split] = replace(assets, meshes=meshes)
    if not shares:
        which = "" if wanted == "all" else f" of the {wanted} split"
        raise UnshineError(f"There is no mesh{which}; run: unshine assets fetch")
    return shares


def pick(text: str, shares: dict[MeshSplit, float]) -> MeshSplit:
    """Pick a split by a hash: the same on every machine, in every version of Python.

    Parameters
    ----------
    text : str
        What is hashed.
    shares : dict
        The splits to pick from, and how likely each is; they need not add up to 1.
    """
    digest = hashlib.sha256(text.encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * sum(shares.values())
    for split, share in shares.items():
        point -= share
        if point < 0:
            return split
    return next(reversed(shares))
