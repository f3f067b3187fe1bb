import base64
import csv
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from unshine.errors import UnshineError
from unshine.synth import archives, assets


def obj(faces, wrong=False):
    lines = [f"v {i} {i % 3} {i % 5}" for i in range(faces + 2)]
    lines += [f"f {i + 1} {i + 2} {i + 3}" for i in range(faces)]
    return "\n".join([*lines, *(["f 1 2 999999"] if wrong else [])]).encode()


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def tar(files, mode):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def sh3f(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def deb(catalogues):
    data = tar({f"./usr/share/{name}.sh3f": c for name, c in catalogues.items()}, "w:xz")
    member = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n"
    parts = [(b"debian-binary", b"2.0\n"), (b"control.tar.xz", b"odd"), (b"data.tar.xz", data)]
    return b"!<arch>\n" + b"".join(
        member % (name, 0, 0, 0, b"100644", len(content)) + content + b"\n" * (len(content) % 2)
        for name, content in parts
    )


CATALOGUE = """id=x
model#1=/some/chair/chair.obj
creator#1=Jos\\u00e9
model#2=/some/plank/plank.obj
creator#2=Ann
model#3=/some/torn/torn.obj
"""


def small_archives(extra=None):
    rng = np.random.default_rng(0)
    grain = rng.integers(90, 160, (256, 256, 3), dtype=np.uint8)
    label = np.zeros((256, 256, 3), np.uint8)
    label[:, :128] = 255
    files = {
        "PluginFurnitureCatalog.properties": CATALOGUE,
        "some/chair/chair.obj": obj(400),
        "some/chair/wood": png(grain),
        "some/chair/again": png(grain),
        "some/chair/label": png(label),
        "some/plank/plank.obj": obj(12),
        "some/torn/torn.obj": obj(400, wrong=True),
        "other/secret.txt": b"not a part of any model",
        **(extra or {}),
    }
    material = {
        "name": "Gold",
        "color": [{"colorSpace": "srgb-linear", "color": [1.05, 0.8, 0.4]}],
        "metalness": 1,
        "roughness": 0,
    }
    glass = {**material, "name": "Glass", "transmission": 1}
    listed = "materialxMaterials/data/PhysicallyBasedMaterialX/PhysicallyBasedMaterial.json"
    exr = base64.b64encode(b"v/1\x01 light")
    return {
        archives.ARCHIVES[0].file: deb({"BlendSwap-CC-0": sh3f(files), "Scopia": sh3f(files)}),
        archives.ARCHIVES[1].file: tar(
            {"package/hdri/noon.exr.js": b"export default 'data:application/exr;base64,%b'" % exr},
            "w:gz",
        ),
        archives.ARCHIVES[2].file: sh3f({listed: json.dumps([material, glass])}),
    }


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder of small archives in the real ones' form, and their checksums believed."""

    def make(extra=None):
        folder = tmp_path / "by hand"
        folder.mkdir(exist_ok=True)
        known = []
        for archive, content in zip(archives.ARCHIVES, small_archives(extra).values(), strict=True):
            (folder / archive.file).write_bytes(content)
            digest = archives.hashlib.sha256(content).hexdigest()
            known.append(archives.Archive(archive.file, digest, archive.command, archive.url))
        monkeypatch.setattr(archives, "ARCHIVES", tuple(known))
        return folder

    return make


def test_archives_fetched_by_hand_are_unpacked_and_listed(tmp_path, source):
    cache = tmp_path / "cache"
    archives.fetch(cache, source())
    found = assets.load(cache)
    assert [m.name for m in found.meshes] == ["BlendSwap-CC-0/chair", "Scopia/chair"]
    assert [m.creator for m in found.meshes] == ["José", "José"]
    assert [m.licence for m in found.meshes] == ["CC0-1.0", "CC-BY-3.0"]
    assert all(m.path.is_file() for m in found.meshes)
    # One of the two equal images; the label is no material.
    assert [t.name for t in found.textures] == ["BlendSwap-CC-0/chair/again"]
    assert "pmndrs/noon" in [h.name for h in found.hdris]
    assert [m.name for m in found.materials] == ["physicallybased/Gold"]
    assert max(found.materials[0].colour) <= 1
    assert not list(cache.rglob("secret.txt"))
    reasons = assets.read_index(cache)["skipped"]
    assert reasons["Scopia/plank"] == "12 faces"
    assert "does not exist" in reasons["Scopia/torn"]


def test_cc0_leaves_out_what_asks_for_attribution(tmp_path, source):
    cache = tmp_path / "cache"
    archives.fetch(cache, source())
    found = assets.load(cache, licence="cc0")
    assert [m.name for m in found.meshes] == ["BlendSwap-CC-0/chair"]
    with pytest.raises(UnshineError, match="licence"):
        assets.load(cache, licence="cc0", meshes=tmp_path)


def test_a_second_fetch_has_nothing_to_do(tmp_path, source):
    cache, folder = tmp_path / "cache", source()
    archives.fetch(cache, folder)
    for path in folder.iterdir():
        path.unlink()
    archives.fetch(cache, folder)


def test_a_damaged_archive_is_refused_and_leaves_nothing(tmp_path, source):
    folder = source()
    with (folder / archives.ARCHIVES[1].file).open("ab") as file:
        file.write(b"!")
    with pytest.raises(UnshineError, match="SHA-256"):
        archives.fetch(tmp_path / "cache", folder)
    assert not (tmp_path / "cache").exists()
    assert not list(tmp_path.glob(".assets-*"))


def test_a_path_that_leads_out_is_refused(tmp_path, source):
    folder = source({"some/chair/../../../../escaped": b"outside"})
    with pytest.raises(UnshineError, match="unsafe"):
        archives.fetch(tmp_path / "cache", folder)
    assert not list(tmp_path.rglob("escaped"))


def test_a_missing_client_is_one_sentence(tmp_path, monkeypatch):
    archive = archives.Archive("x.tgz", "", ("no-such-client", "pack"), "https://example.org")
    monkeypatch.setattr(archives, "ARCHIVES", (archive,))
    with pytest.raises(UnshineError, match="no-such-client is not installed"):
        archives.fetch(tmp_path / "cache")


def test_own_folders_need_no_cache(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ring.OBJ").write_bytes(obj(3))
    (tmp_path / "broken.glb").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match=r"broken\.glb"):
        found = assets.load(tmp_path / "none", meshes=tmp_path)
    assert [(m.name, m.licence) for m in found.meshes] == [("deep/ring.OBJ", assets.UNSTATED)]
    with pytest.raises(UnshineError, match="no usable"):
        assets.load(tmp_path / "none", meshes=tmp_path, hdris=tmp_path)


def test_without_assets_the_command_is_named(tmp_path):
    with pytest.raises(UnshineError, match="unshine assets fetch"):
        assets.load(tmp_path)


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("UNSHINE_ASSETS", raising=False)
    assert assets.default_cache() == tmp_path / "unshine" / "assets"
    monkeypatch.setenv("UNSHINE_ASSETS", str(tmp_path / "own"))
    assert assets.default_cache() == tmp_path / "own"


def test_attribution_names_what_was_used(tmp_path, source):
    cache = tmp_path / "cache"
    archives.fetch(cache, source())
    out = tmp_path / "ATTRIBUTION.csv"
    assets.write_attribution(out, assets.load(cache), {"Scopia/chair", "pmndrs/noon"})
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["kind"], r["name"], r["creator"], r["licence"]) for r in rows] == [
        ("meshes", "Scopia/chair", "José", "CC-BY-3.0"),
        ("hdris", "pmndrs/noon", "Poly Haven", "CC0-1.0"),
    ]
