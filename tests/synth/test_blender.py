import importlib.util
import json
import os
import sys

import numpy as np
import pytest

from unshine.errors import UnshineError
from unshine.synth.assets import UNSTATED, Assets, Hdri, Material, Mesh, Texture

# Continuous integration renders, or fails; elsewhere Blender may be absent.
must_render = os.environ.get("CI") == "true" and sys.version_info[:2] == (3, 11)
if importlib.util.find_spec("bpy") is None and not must_render:
    pytest.skip("Rendering needs bpy, for Python 3.11 alone.", allow_module_level=True)

from unshine.synth.blender import render_tuple  # noqa: E402
from unshine.synth.blender.meshes import import_mesh  # noqa: E402
from unshine.synth.blender.passes import render_passes  # noqa: E402
from unshine.synth.blender.scene import build_scene  # noqa: E402
from unshine.synth.blender.session import blender_session  # noqa: E402

SIZE, SAMPLES = 64, 16


def torus(path, minor=0.35):
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 25)[:-1], np.linspace(0, 2 * np.pi, 17)[:-1])
    points = np.stack(
        [
            (1 + minor * np.cos(v)) * np.cos(u),
            (1 + minor * np.cos(v)) * np.sin(u),
            minor * np.sin(v),
        ],
        -1,
    )
    rows, columns = points.shape[:2]
    lines = [f"v {x:.5f} {z:.5f} {y:.5f}" for x, y, z in points.reshape(-1, 3)]
    for i in range(rows):
        for j in range(columns):
            right, below = (j + 1) % columns, (i + 1) % rows
            corners = (i * columns + j, i * columns + right, below * columns + right)
            corners += (below * columns + j,)
            lines.append("f " + " ".join(str(corner + 1) for corner in corners))
    path.write_text("\n".join(lines))


def box(path):
    corners = [(x, y, z) for x in (0, 2) for y in (0, 1) for z in (0, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    path.write_text(
        "ply\nformat ascii 1.0\nelement vertex 8\nproperty float x\nproperty float y\n"
        "property float z\nelement face 6\nproperty list uchar int vertex_indices\nend_header\n"
        + "".join(f"{x} {y} {z}\n" for x, y, z in corners)
        + "".join(f"4 {a} {b} {c} {d}\n" for a, b, c, d in faces)
    )


def sky(path):
    """An environment map, brighter above; Radiance's format, four bytes a pixel."""
    pixels = np.full((16, 32, 4), 128, np.uint8)
    pixels[..., :3] = np.linspace(250, 40, 16, dtype=np.uint8)[:, None, None]
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 16 +X 32\n"
    path.write_bytes(head + pixels.tobytes())


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    torus(folder / "ring.obj")
    box(folder / "box.ply")
    sky(folder / "sky.hdr")
    return Assets(
        meshes=tuple(Mesh(n, folder / n, UNSTATED, "") for n in ("box.ply", "ring.obj")),
        hdris=(Hdri("sky.hdr", folder / "sky.hdr", UNSTATED, ""),),
        textures=(),
        materials=(
            Material("copper", (0.9, 0.6, 0.5), 0.1, 1.0, 1.5, "CC0-1.0", ""),
            Material("rubber", (0.1, 0.1, 0.1), 0.5, 0.0, 1.5, "CC0-1.0", ""),
        ),
    )


@pytest.fixture(scope="module")
def tuples(assets):
    return [render_tuple(assets, 3, index, SIZE, SAMPLES) for index in range(3)]


def test_light_adds_up(tuples):
    for light, _ in tuples:
        assert light.image.shape == (SIZE, SIZE, 3)
        assert light.image.dtype == light.shading.dtype == np.float32
        assert all(np.isfinite(layer).all() for layer in light.given().values())
        assert np.abs(light.albedo * light.shading + light.specular - light.image).max() < 1e-3
        assert np.abs(light.albedo * light.shading - light.diffuse).max() < 1e-3
        assert light.specular.min() >= 0
        assert 0 <= light.albedo.min() <= light.albedo.max() <= 1
        assert 0.005 < light.mask.mean() < 1
        assert light.diffuse[light.mask].mean() > 0.005


def test_the_parameters_are_json_and_name_all_assets(tuples, assets):
    known = {asset.name for kind in vars(assets).values() for asset in kind}
    for made in tuples:
        parameters = json.loads(json.dumps(made.parameters.as_dict()))
        assert parameters["meshes"]
        assert set(parameters["meshes"]) <= set(parameters["assets"]) <= known
        assert ("hdri" in parameters["lights"]) == ("ambient" not in parameters["lights"])


def test_same_seed_same_light_whatever_came_before(tuples, assets):
    again = render_tuple(assets, 3, 0, SIZE, SAMPLES)
    for name, layer in again.light.given().items():
        assert np.array_equal(getattr(tuples[0].light, name), layer)
    assert again.parameters == tuples[0].parameters
    assert not np.array_equal(tuples[0].light.image, tuples[1].light.image)


def drawn(assets, wanted):
    """The first index whose scene is as wanted; building scenes is quick."""
    for index in range(200):
        with blender_session() as bpy:
            parameters, _ = build_scene(bpy, assets, np.random.default_rng([0, index]))
        if wanted(parameters):
            return index
    raise AssertionError("no such scene in 200")


def test_a_matte_scene_has_no_residue(assets):
    index = drawn(assets, lambda scene: scene.matte)
    with blender_session() as bpy:
        build_scene(bpy, assets, np.random.default_rng([0, index]))
        traced = render_passes(bpy, SIZE, 4, seed=0)
    # The materials themselves are without gloss, before anything is set to zero.
    assert traced["gloss"].max() < 1e-3
    assert render_tuple(assets, 0, index, SIZE, 4).light.specular.max() < 1e-3


def test_metal_keeps_a_diffuse_term(assets):
    index = drawn(assets, lambda scene: scene.materials[0].metal and len(scene.meshes) == 1)
    light, _ = render_tuple(assets, 0, index, SIZE, SAMPLES)
    assert light.diffuse[light.mask].mean() > 0.1 * light.image[light.mask].mean()
    assert light.specular[light.mask].max() > 0.01


def test_cycles_own_image_is_the_sum_of_the_passes(assets):
    with blender_session() as bpy:
        build_scene(bpy, assets, np.random.default_rng([3, 0]))
        passes = render_passes(bpy, SIZE, 4, seed=0, denoise=False)
    summed = passes["diffuse"] + passes["gloss"] + passes["behind"]
    assert np.allclose(summed, passes["combined"], atol=1e-3, rtol=1e-3)


def test_a_broken_mesh_is_named(tmp_path, assets):
    path = tmp_path / "empty.obj"
    path.write_text("v 0 0 0\n")
    broken = Assets((Mesh("empty.obj", path, UNSTATED, ""),), assets.hdris, (), ())
    with pytest.raises(UnshineError, match=r"empty\.obj"):
        render_tuple(broken, 0, 0, SIZE, 1)


def test_faces_that_coincide_are_joined_alike_every_time(tmp_path):
    """Two-sided meshes say each face twice; Blender's own check keeps now one, now the other."""
    path = tmp_path / "sheet.obj"
    lines = [f"v {x} {y} 0" for y in range(40) for x in range(40)]
    faces = [(i, i + 1, i + 41, i + 40) for i in range(1, 1560) if i % 40]
    lines += ["f " + " ".join(map(str, face)) for face in faces]
    lines += ["f " + " ".join(map(str, reversed(face))) for face in faces]
    path.write_text("\n".join(lines))
    with blender_session() as bpy:
        data = import_mesh(bpy, Mesh("sheet", path, UNSTATED, "")).data
        assert len(data.polygons) == len(faces)
        # The last of each; OBJ files have y upwards, so that these face along it.
        assert all(face.normal.y > 0.99 for face in data.polygons)


def test_textures_are_projected_where_there_are_no_coordinates(tmp_path, assets):
    from PIL import Image

    path = tmp_path / "red.png"
    Image.new("RGB", (32, 32), (255, 0, 0)).save(path)
    red = Assets(assets.meshes, assets.hdris, (Texture("red", path, UNSTATED, ""),), ())
    index = drawn(
        red, lambda scene: scene.materials[0].look == "textured" and len(scene.meshes) == 1
    )
    light, _ = render_tuple(red, 0, index, SIZE, 4)
    albedo = np.median(light.albedo[light.mask], 0)
    assert albedo[0] > 0.9 and albedo[1:].max() < 0.1
