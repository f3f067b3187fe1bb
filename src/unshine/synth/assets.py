"""Openly licensed meshes, environment maps, textures and materials for path-traced tuples.

They come from a cache folder, which `unshine.synth.archives` fills, and from the user's own
folders.

The cache is ``$UNSHINE_ASSETS``, else ``$XDG_CACHE_HOME/unshine/assets``, else
``~/.cache/unshine/assets``. It holds the folders ``meshes`` and ``hdris``, and ``index.json``: what
there is, who made it, and what is skipped and why.
"""

import csv
import hashlib
import importlib.util
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from unshine.errors import UnshineError
from unshine.files import writing

Licence = Literal["any", "cc0"]

CC0 = "CC0-1.0"
UNSTATED = "not stated"

MESH_TYPES = (".obj", ".ply", ".glb")
HDRI_TYPES = (".hdr", ".exr")
TEXTURE_TYPES = (".png", ".jpg", ".jpeg")

_MAGIC = {
    ".ply": b"ply",
    ".glb": b"glTF",
    ".exr": b"v/1\x01",
    ".hdr": b"#?",
    ".png": b"\x89PNG",
    ".jpg": b"\xff\xd8",
    ".jpeg": b"\xff\xd8",
}


@dataclass(frozen=True)
class File:
    """An asset that is a file."""

    name: str
    path: Path
    licence: str
    creator: str


class Mesh(File):
    """An object: an OBJ, PLY or GLB file."""


class Hdri(File):
    """An environment map: an HDR or EXR file, latitude and longitude."""


class Texture(File):
    """A colour image: PNG or JPEG."""


@dataclass(frozen=True)
class Material:
    """A real material: colour in linear light, roughness, metalness, index of refraction."""

    name: str
    colour: Sequence[float]
    roughness: float
    metalness: float
    ior: float
    licence: str
    creator: str


Asset = File | Material


@dataclass(frozen=True)
class Assets:
    """What scenes are made of, each kind sorted by name."""

    meshes: tuple[Mesh, ...]
    hdris: tuple[Hdri, ...]
    textures: tuple[Texture, ...]
    materials: tuple[Material, ...]


def default_cache() -> Path:
    """Return the folder where assets are kept."""
    if own := os.environ.get("UNSHINE_ASSETS"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unshine" / "assets"


def load(
    cache: Path | None = None,
    licence: Licence = "any",
    meshes: Path | None = None,
    hdris: Path | None = None,
    textures: Path | None = None,
) -> Assets:
    """List the assets of the cache and of the user's own folders.

    Parameters
    ----------
    cache : Path, optional
        The folder that `archives.fetch` filled; `default_cache` unless given.
    licence : {"any", "cc0"}
        "cc0" leaves out all that asks for attribution.
    meshes, hdris, textures : Path, optional
        Folders of the user's own files, searched through and added to the cache's.

    Raises
    ------
    UnshineError
        If there is neither a filled cache nor a folder of meshes, a folder holds nothing of its
        kind, or its licence would have to be known.
    """
    cache = cache or default_cache()
    own = [folder for folder in (meshes, hdris, textures) if folder]
    if licence == "cc0" and own:
        raise UnshineError(
            f"The licence of {own[0]} is not known, so leave out either it or the wish for CC0."
        )
    index = read_index(cache)
    if not index and not meshes:
        raise UnshineError(f"There are no assets in {cache}; run: unshine assets fetch")

    def listed(kind: type, name: str) -> Iterator[Any]:
        for entry in index.get(name, []):
            if licence == "any" or entry["licence"] == CC0:
                if "path" in entry:
                    entry = {**entry, "path": cache / entry["path"]}
                yield kind(**entry)

    def kind(*parts: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(sorted(chain(*parts), key=lambda asset: asset.name))

    return Assets(
        meshes=kind(listed(Mesh, "meshes"), _own(Mesh, meshes, MESH_TYPES)),
        hdris=kind(listed(Hdri, "hdris"), _blender_hdris(), _own(Hdri, hdris, HDRI_TYPES)),
        textures=kind(listed(Texture, "textures"), _own(Texture, textures, TEXTURE_TYPES)),
        materials=kind(listed(Material, "materials")),
    )


def read_index(cache: Path | None = None) -> dict[str, Any]:
    """Read the index of a cache, `default_cache` unless given; empty if nothing was fetched.

    It has the lists "meshes", "hdris", "textures" and "materials", "skipped" (the meshes that are
    not used, each with the reason) and "archives" (what all that was unpacked from).
    """
    path = (cache or default_cache()) / "index.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def fingerprint(assets: Assets) -> str:
    """Tell sets of assets apart, by names; two machines with one fingerprint make one dataset."""
    names = [[asset.name for asset in getattr(assets, kind.name)] for kind in fields(assets)]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def write_attribution(path: Path, assets: Assets, used: set[str]) -> None:
    """Write kind, name, creator and licence of the assets whose names are in `used`, as CSV."""
    with (
        writing(path, overwrite=True) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["kind", "name", "creator", "licence"])
        for kind in fields(assets):
            for asset in getattr(assets, kind.name):
                if asset.name in used:
                    table.writerow([kind.name, asset.name, asset.creator, asset.licence])


def _own(kind: type, folder: Path | None, types: tuple[str, ...]) -> Iterator[Any]:
    """The user's files; empty ones and those that are not what their ending says are left out."""
    if folder is None:
        return
    found = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in types and path.is_file():
            if _is_what_it_says(path):
                found += 1
                yield kind(path.relative_to(folder).as_posix(), path, UNSTATED, "")
            else:
                warnings.warn(f"{path} is broken and left out.", stacklevel=2)
    if not found:
        raise UnshineError(f"{folder} holds no usable {', '.join(types)} file.")


def _is_what_it_says(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(1 << 16)
    suffix = path.suffix.lower()
    return b"v " in start if suffix == ".obj" else start.startswith(_MAGIC[suffix])


def _blender_hdris() -> list[Hdri]:
    """The eight maps inside bpy, less the one that the npm package has too."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        return []
    paths = Path(spec.origin).parent.glob("*/datafiles/studiolights/world/*.exr")
    return [
        Hdri(f"blender/{path.stem}", path, CC0, "Poly Haven")
        for path in sorted(paths)
        if path.stem != "sunrise"
    ]
