"""Path-traced tuples: Blender's Cycles, one scene a tuple, its light separated as it is traced.

Cycles adds up what a path brings in separate passes, so that its picture is exactly
``DiffCol·(DiffDir + DiffInd) + GlossCol·(GlossDir + GlossInd)``: albedo, shading and residue of one
render. The two terms are denoised, each on its own, and the picture summed again from them;
denoising the picture itself would break I = A·S + R. (The shading alone cannot be denoised: it
ends with the surface, and a denoiser that blurs that edge is wrong there by a whole pixel.)

Surfaces neither emit nor transmit light. What stands behind the objects without being one (an
environment map) counts as diffuse. Metal has no diffuse light: a scene with metal is traced a
second time with its metal at roughness 1, and of its light only what exceeds that one is residue.

Everything in a scene is drawn from the seed and the index; names of assets rather than their
paths go into the facts.
"""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.synth.assets import Asset, Assets, Hdri, Mesh, Texture

Array = NDArray[np.float32]

SYSTEM_PACKAGES = "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1"

_OBJECT, _GROUND = 1, 0  # pass indices
_BLACK = 1e-4  # an albedo that reflects nothing: no shading can be read off it


class Rendered(NamedTuple):
    """One tuple of linear, unclipped light: image = albedo·shading + specular."""

    image: Array
    """I, (H, W, 3)."""
    albedo: Array
    """A, (H, W, 3), in [0, 1]."""
    shading: Array
    """S, (H, W, 3)."""
    specular: Array
    """R, (H, W, 3), never negative."""
    diffuse: Array
    """D = A·S, (H, W, 3)."""
    mask: NDArray[np.bool_]
    """True on the objects, (H, W)."""
    facts: dict[str, Any]
    """What the scene is made of; ready for JSON."""


def render(assets: Assets, seed: int, index: int, size: int, samples: int) -> Rendered:
    """Render one tuple; it depends on the assets, the seed and the index alone.

    Parameters
    ----------
    assets : Assets
        At least one mesh; without environment maps the light comes from lamps.
    seed, index : int
        The dataset's seed and the tuple's number in it.
    size : int
        Height and width.
    samples : int
        Paths a pixel, at most.
    """
    if not assets.meshes:
        raise UnshineError("There is no mesh to render; run: unshine assets fetch")
    with quiet_blender() as bpy:
        scene = build(bpy, assets, np.random.default_rng([seed, index]))
        passes = trace(bpy, size, samples, seed=index)
        rough = None
        if scene.metals:
            for material in scene.metals:
                _roughen(material)
            rough = trace(bpy, size, max(samples // 2, 1), seed=index)["gloss"]
    return _separate(passes, rough, scene)


class Scene(NamedTuple):
    """What `build` has put into Blender, as far as it is needed afterwards."""

    facts: dict[str, Any]
    metals: list[Any]
    """Blender's materials that are metal."""
    matte: bool
    key: float
    """Linear picture value of white in the scene's light."""


@contextmanager
def quiet_blender() -> Iterator[Any]:
    """Import bpy and start from an empty scene."""
    try:
        import bpy
    except ModuleNotFoundError as error:
        if error.name == "bpy":
            raise UnshineError(
                "Rendering needs Blender, which exists for Python 3.11 alone; install it with: "
                'pip install "unshine[render]"'
            ) from None
        raise
    except ImportError as error:
        raise UnshineError(
            f"Blender cannot start ({error}); on Debian or Ubuntu run: "
            f"apt-get install {SYSTEM_PACKAGES}"
        ) from None
    # Blender reports each sample on the standard output, past Python.
    silence, streams = os.open(os.devnull, os.O_WRONLY), [os.dup(1), os.dup(2)]
    try:
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        yield bpy
    finally:
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
            os.close(stream)
        os.close(silence)


# Tracing --------------------------------------------------------------------------------------


def trace(
    bpy: Any, size: int, samples: int, seed: int, denoise: bool = True, threshold: float = 0.02
) -> dict[str, Array]:
    """Render the scene that Blender holds.

    Returns
    -------
    dict of float32 arrays, (H, W, 3)
        "albedo", "diffuse" and "gloss" (the two terms), "tint" (the glossy term's colour),
        "behind" (where no surface is), "combined" (Cycles' own picture, noisy), and (H, W, 1):
        "index" and "metal".
    """
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.seed = seed % 2**31
    cycles.samples = samples
    cycles.use_adaptive_sampling = denoise
    cycles.adaptive_threshold = threshold
    cycles.adaptive_min_samples = 16
    cycles.use_denoising = False  # it would denoise the sum
    # With a handful of lights a tree costs more than it saves; see docs/decisions.md.
    cycles.use_light_tree = False
    cycles.sampling_pattern = "TABULATED_SOBOL"  # a tenth faster than blue noise, as noisy
    cycles.max_bounces = 3
    cycles.diffuse_bounces = 2
    cycles.glossy_bounces = 2
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.transparent_max_bounces = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 5.0
    layer = scene.view_layers[0]
    for name in ("color", "direct", "indirect"):
        setattr(layer, f"use_pass_diffuse_{name}", True)
        setattr(layer, f"use_pass_glossy_{name}", True)
    layer.use_pass_environment = layer.use_pass_object_index = True
    layer.cycles.denoising_store_passes = True
    if not layer.aovs:
        aov = layer.aovs.add()
        aov.name, aov.type = "metal", "VALUE"
    with tempfile.TemporaryDirectory(prefix="unshine-") as folder:
        _compositor(scene, folder, denoise)
        bpy.ops.render.render()
        return _read_passes(bpy, next(Path(folder).glob("*.exr")))


def _compositor(scene: Any, folder: str, denoise: bool) -> None:
    """Denoise the light of both terms, and write everything to one EXR file."""
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers = tree.nodes.new("CompositorNodeRLayers").outputs
    output = tree.nodes.new("CompositorNodeOutputFile")
    output.base_path = folder + "/"
    output.format.file_format = "OPEN_EXR_MULTILAYER"
    output.format.color_depth = "32"
    output.format.exr_codec = "NONE"
    output.file_slots.clear()

    def blend(operation: str, a: Any, b: Any) -> Any:
        node = tree.nodes.new("CompositorNodeMixRGB")
        node.blend_type = operation
        tree.links.new(a, node.inputs[1])
        tree.links.new(b, node.inputs[2])
        return node.outputs[0]

    def clean(light: Any, albedo: Any) -> Any:
        if not denoise:
            return light
        node = tree.nodes.new("CompositorNodeDenoise")
        node.use_hdr = True
        node.prefilter = "NONE"
        tree.links.new(light, node.inputs["Image"])
        tree.links.new(albedo, node.inputs["Albedo"])
        tree.links.new(layers["Denoising Normal"], node.inputs["Normal"])
        return node.outputs[0]

    def keep(name: str, socket: Any) -> None:
        output.file_slots.new(name)
        tree.links.new(socket, output.inputs[name])

    def term(name: str) -> Any:
        light = blend("ADD", layers[f"{name}Dir"], layers[f"{name}Ind"])
        return clean(blend("MULTIPLY", layers[f"{name}Col"], light), layers[f"{name}Col"])

    keep("albedo", layers["DiffCol"])
    keep("diffuse", term("Diff"))
    keep("gloss", term("Gloss"))
    keep("tint", layers["GlossCol"])
    keep("behind", layers["Env"])
    keep("combined", layers["Image"])
    keep("index", layers["IndexOB"])
    keep("metal", layers["metal"])


def _read_passes(bpy: Any, path: Path) -> dict[str, Array]:
    bpy.utils.expose_bundled_modules()
    import OpenImageIO

    file = OpenImageIO.ImageInput.open(str(path))
    spec = file.spec()
    pixels = np.asarray(file.read_image(OpenImageIO.FLOAT), np.float32)
    file.close()
    found: dict[str, dict[str, Array]] = {}
    for position, channel in enumerate(spec.channelnames):
        name, _, part = channel.rpartition(".")
        found.setdefault(name, {})[part] = pixels[..., position]
    return {
        name: np.stack([parts[c] for c in ("RGB" if "R" in parts else sorted(parts)[:1])], -1)
        for name, parts in found.items()
    }


def _separate(passes: dict[str, Array], rough: Array | None, scene: Scene) -> Rendered:
    """Turn the passes into A, S and R that make up I exactly."""
    passes = {name: np.nan_to_num(light, posinf=0, neginf=0) for name, light in passes.items()}
    albedo = passes["albedo"].clip(0, 1)
    diffuse = passes["diffuse"].clip(0, None) * (albedo > _BLACK)
    specular = passes["gloss"].clip(0, None)
    if scene.matte:
        specular = np.zeros_like(specular)
    if rough is not None:
        # What metal would reflect if it were rough is its diffuse light, in the metal's colour.
        metal = passes["metal"].clip(0, 1)
        body = np.minimum(specular, metal * rough.clip(0, None))
        specular = specular - body
        diffuse = diffuse + body
        albedo = (albedo + metal * passes["tint"]).clip(0, 1)
    # The surroundings have no surface: they count as diffuse, as bright as they are up to white.
    behind = passes["behind"].clip(0, None)
    diffuse = diffuse + behind
    albedo = np.maximum(
        albedo, (behind > 0) * (behind / np.maximum(behind.max(-1, keepdims=True), 1))
    )
    shading = np.where(albedo > _BLACK, diffuse / np.maximum(albedo, _BLACK), 0)

    mask = np.asarray(passes["index"][..., 0] > 0.5, np.bool_)
    if mask.mean() < 0.005:
        raise UnshineError(f"Nothing can be seen of {', '.join(scene.facts['meshes'])}.")
    # As with a light meter held beside the object: white things stay white and black ones black.
    light = np.percentile(shading[mask].max(-1), 80)
    exposure = float(scene.key / max(light, 1e-6))
    shading = (shading * exposure).astype(np.float32)
    specular = (specular * exposure).astype(np.float32)
    diffuse = albedo * shading
    facts = {**scene.facts, "exposure": exposure, "key": scene.key, "matte": scene.matte}
    image = diffuse + specular
    return Rendered(image, albedo, shading, specular, diffuse, mask, facts)


# Scenes ---------------------------------------------------------------------------------------


def build(bpy: Any, assets: Assets, dice: np.random.Generator) -> Scene:
    """Put a scene into an empty Blender: objects, ground, lights, a camera."""
    kind = str(dice.choice(["void", "open", "ground", "studio"], p=[0.22, 0.1, 0.38, 0.3]))
    matte = bool(dice.random() < 0.2)
    count = 1 if dice.random() < 0.5 else int(dice.integers(2, 6))
    chosen = [assets.meshes[i] for i in dice.integers(0, len(assets.meshes), count)]
    used: list[Asset] = list(chosen)
    painter = _Painter(bpy, assets, dice, matte, used)
    objects, looks = [], []
    for mesh in chosen:
        objects.append(_import(bpy, mesh))
        looks.append(painter.dress(objects[-1]))
    points = _arrange(bpy, objects, dice)
    camera = _camera(bpy, points, kind, dice)
    if kind in ("ground", "studio"):
        looks.append(painter.lay_ground(kind, points, camera["azimuth"]))
    lights, hdri = _lights(bpy, assets, points, camera, kind, dice)
    if hdri:
        used.append(hdri)
    facts = {
        "kind": kind,
        "meshes": [mesh.name for mesh in chosen],
        "assets": sorted({asset.name for asset in used}),
        "licence": sorted({asset.licence for asset in used}),
        "materials": looks,
        "lights": lights,
        "camera": camera,
    }
    key = float(2 ** np.clip(dice.normal(0, 0.7), -2.5, 1.3))
    return Scene(facts, painter.metals, matte, key)


def _import(bpy: Any, mesh: Mesh) -> Any:
    """Import one object, joined, of size 1 and standing on the ground; its faces smooth."""
    before = set(bpy.data.objects)
    path, suffix = str(mesh.path), mesh.path.suffix.lower()
    try:
        if suffix == ".obj":
            bpy.ops.wm.obj_import(filepath=path, use_split_objects=False, validate_meshes=False)
        elif suffix == ".ply":
            bpy.ops.wm.ply_import(filepath=path)
        else:
            import addon_utils

            addon_utils.enable("io_scene_gltf2")
            bpy.ops.import_scene.gltf(filepath=path)
    except RuntimeError as error:
        raise UnshineError(f"{mesh.name} cannot be imported: {error}") from None
    new = [thing for thing in bpy.data.objects if thing not in before]
    parts = [thing for thing in new if thing.type == "MESH" and len(thing.data.polygons)]
    if not parts:
        raise UnshineError(f"{mesh.name} cannot be imported: it has no faces.")
    if suffix == ".obj":
        for part in parts:
            _validate(part.data)
    bpy.ops.object.select_all(action="DESELECT")
    for part in parts:
        part.select_set(True)
    bpy.context.view_layer.objects.active = parts[0]
    if len(parts) > 1:
        bpy.ops.object.join()
    bpy.ops.object.parent_clear(type="CLEAR_KEEP_TRANSFORM")
    bpy.ops.object.transform_apply()
    body = parts[0]
    for thing in new:
        if thing not in parts:
            bpy.data.objects.remove(thing)
    data = body.data
    # Sizes run from a screw to a lorry, in any unit.
    corners = _vertices(data)
    low, high = corners.min(0), corners.max(0)
    extent = float((high - low).max())
    if not np.isfinite(extent) or extent <= 0:
        raise UnshineError(f"{mesh.name} cannot be used: it has no size.")
    corners = (corners - np.array([*(low + high)[:2] / 2, low[2]])) / extent
    data.vertices.foreach_set("co", corners.astype(np.float32).ravel())
    if not data.has_custom_normals:
        # Faces come unconnected, which leaves nothing to smooth between.
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.select_all(action="SELECT")
        bpy.ops.mesh.remove_doubles(threshold=1e-5)
        bpy.ops.object.mode_set(mode="OBJECT")
        data.shade_smooth()
        data.set_sharp_from_angle(angle=math.radians(35))
    data.update()
    body.pass_index = _OBJECT
    return body


def _validate(data: Any) -> None:
    """Drop what Blender cannot use; of faces with the same corners the last one stays.

    Blender alone keeps now one, now another of them, and which one decides where a surface faces.
    """
    import bmesh

    mesh = bmesh.new()
    mesh.from_mesh(data)
    seen: set[frozenset[int]] = set()
    doubled = []
    for face in reversed(list(mesh.faces)):
        corners = frozenset(corner.index for corner in face.verts)
        if corners in seen:
            doubled.append(face)
        seen.add(corners)
    if doubled:
        bmesh.ops.delete(mesh, geom=doubled, context="FACES_ONLY")
        mesh.to_mesh(data)
    mesh.free()
    data.validate()


def _vertices(data: Any) -> NDArray[np.float64]:
    flat = np.empty(3 * len(data.vertices), np.float32)
    data.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _arrange(bpy: Any, objects: list[Any], dice: np.random.Generator) -> NDArray[np.float64]:
    """Turn and scale the objects and stand them side by side; return points on them, (P, 3)."""
    placed: list[tuple[NDArray[np.float64], float]] = []
    clouds = []
    for body in objects:
        size = float(dice.uniform(0.5, 1.0)) if placed else 1.0
        turn = float(dice.uniform(0, 2 * math.pi))
        cloud = _vertices(body.data)
        cloud = cloud[:: max(len(cloud) // 2000, 1)] * size
        cosine, sine = math.cos(turn), math.sin(turn)
        cloud = cloud @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        radius = float(np.hypot(cloud[:, 0], cloud[:, 1]).max())
        where = np.zeros(2)
        direction = float(dice.uniform(0, 2 * math.pi))
        step = 0.0
        # Outwards until there is room; objects may nearly touch, as things on a table do.
        while any(np.hypot(*(where - other)) < 0.85 * (radius + r) for other, r in placed):
            step += 0.05
            where = step * np.array([math.cos(direction), math.sin(direction)])
        placed.append((where, radius))
        body.rotation_euler = (0, 0, turn)
        body.scale = (size,) * 3
        body.location = (*where, 0)
        clouds.append(cloud + np.array([*where, 0]))
    bpy.context.view_layer.update()
    return np.concatenate(clouds)


def _camera(
    bpy: Any, points: NDArray[np.float64], kind: str, dice: np.random.Generator
) -> dict[str, float]:
    """Aim a camera from the upper hemisphere so that the objects fill the picture, or nearly."""
    import mathutils

    azimuth = float(dice.uniform(0, 2 * math.pi))
    elevation = math.radians(float(np.clip(dice.gamma(3, 9), 4, 80)))
    field = math.radians(float(dice.uniform(16, 45)))
    zoom = float(dice.uniform(0.6, 1.2))
    back = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0])
    up = np.cross(back, right)
    centre = (points.min(0) + points.max(0)) / 2
    local = (points - centre) @ np.stack([right, up, back], 1)
    centre = centre + (local[:, :2].min(0) + local[:, :2].max(0)) / 2 @ np.stack([right, up])
    local = (points - centre) @ np.stack([right, up, back], 1)
    reach = np.abs(local[:, :2]).max(1) / math.tan(field / 2) + local[:, 2]
    distance = float(max(reach.max() * zoom, local[:, 2].max() + 0.1))
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.angle, data.clip_start = "HORIZONTAL", field, 0.01
    camera = bpy.data.objects.new("camera", data)
    bpy.context.collection.objects.link(camera)
    camera.matrix_world = mathutils.Matrix(
        (
            (right[0], up[0], back[0], centre[0] + back[0] * distance),
            (right[1], up[1], back[1], centre[1] + back[1] * distance),
            (right[2], up[2], back[2], centre[2] + back[2] * distance),
            (0, 0, 0, 1),
        )
    )
    bpy.context.scene.camera = camera
    return {
        "azimuth": azimuth,
        "elevation": elevation,
        "field": field,
        "distance": distance,
        "zoom": zoom,
    }


def _lights(
    bpy: Any,
    assets: Assets,
    points: NDArray[np.float64],
    camera: dict[str, float],
    kind: str,
    dice: np.random.Generator,
) -> tuple[dict[str, Any], Hdri | None]:
    """An environment map, turned, or a dim even one; and up to three lamps."""
    import mathutils

    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    tree = world.node_tree
    background = tree.nodes["Background"]
    world.cycles_visibility.camera = kind != "void"
    # Blender would choose a table many times finer than the maps, a second's work a tuple; with a
    # coarser one it misses their lamps.
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 1024
    facts: dict[str, Any] = {"lamps": []}
    hdri = None
    # The wall of a studio would keep most of a map's light out, and what comes in would be noisy.
    share = {"void": 0.7, "open": 1, "ground": 0.5, "studio": 0}[kind]
    mapped = bool(assets.hdris) and bool(dice.random() < share)
    if mapped:
        hdri = assets.hdris[int(dice.integers(len(assets.hdris)))]
        turn = float(dice.uniform(0, 2 * math.pi))
        facts |= {"hdri": hdri.name, "turn": turn}
        where = tree.nodes.new("ShaderNodeTexCoord")
        mapping = tree.nodes.new("ShaderNodeMapping")
        mapping.inputs["Rotation"].default_value = (0, 0, turn)
        picture = tree.nodes.new("ShaderNodeTexEnvironment")
        picture.image = bpy.data.images.load(str(hdri.path))
        # Some maps ring below zero where they were scaled down.
        positive = tree.nodes.new("ShaderNodeVectorMath")
        positive.operation = "MAXIMUM"
        tree.links.new(where.outputs["Generated"], mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], picture.inputs["Vector"])
        tree.links.new(picture.outputs["Color"], positive.inputs[0])
        tree.links.new(positive.outputs[0], background.inputs["Color"])
    else:
        level = float(dice.uniform(0.02, 0.4))
        facts["ambient"] = level
        background.inputs["Color"].default_value = (level, level, level, 1)
    shares = [0.45, 0.3, 0.15, 0.1] if mapped else [0, 0.4, 0.35, 0.25]
    lamps = int(dice.choice([0, 1, 2, 3], p=shares))
    centre = (points.min(0) + points.max(0)) / 2
    reach = float(np.linalg.norm(points - centre, axis=1).max())
    for _ in range(lamps):
        # Mostly from the camera's half, where lamps stand and highlights face the lens.
        azimuth = camera["azimuth"] + float(dice.normal(0, 1.3))
        elevation = math.radians(float(dice.uniform(20, 80)))
        distance = reach * float(dice.uniform(2, 5))
        width = distance * float(np.exp(dice.uniform(math.log(0.04), math.log(0.4))))
        light = bpy.data.lights.new("lamp", "AREA")
        light.shape = str(dice.choice(["SQUARE", "RECTANGLE", "DISK"]))
        light.size, light.size_y = width, width * float(dice.uniform(0.3, 1))
        strength = float(np.exp(dice.uniform(math.log(0.5), math.log(5))))
        # The light that reaches the objects does not depend on how far away the lamp stands.
        light.energy = strength * 4 * math.pi * distance**2
        light.color = _lamp_colour(dice)
        lamp = bpy.data.objects.new("lamp", light)
        bpy.context.collection.objects.link(lamp)
        way = mathutils.Vector(
            (
                math.cos(elevation) * math.cos(azimuth),
                math.cos(elevation) * math.sin(azimuth),
                math.sin(elevation),
            )
        )
        lamp.location = mathutils.Vector(centre) + way * distance
        lamp.rotation_euler = way.to_track_quat("Z", "Y").to_euler()
        lamp.visible_camera = False
        facts["lamps"].append(
            {
                "shape": light.shape,
                "width": width / distance,
                "strength": strength,
                "colour": [round(float(c), 4) for c in light.color],
                "azimuth": azimuth,
                "elevation": elevation,
            }
        )
    return facts, hdri


def _lamp_colour(dice: np.random.Generator) -> tuple[float, float, float]:
    """White, from candle to sky, or now and then of any colour; the largest channel is 1."""
    if dice.random() < 0.15:
        colour = dice.uniform(0.15, 1, 3)
    else:
        warmth = float(dice.normal(0.15, 0.3))
        colour = np.exp(np.array([warmth, 0, -warmth]))
    colour = colour / colour.max()
    return (float(colour[0]), float(colour[1]), float(colour[2]))


def _roughen(material: Any) -> None:
    """Set a metal to roughness 1."""
    shader = material.node_tree.nodes["surface"]
    for link in list(shader.inputs["Roughness"].links):
        material.node_tree.links.remove(link)
    shader.inputs["Roughness"].default_value = 1.0


class _Painter:
    """Gives objects their materials; adds to the assets used and remembers the metals made."""

    def __init__(
        self, bpy: Any, assets: Assets, dice: np.random.Generator, matte: bool, used: list[Asset]
    ) -> None:
        self.bpy, self.assets, self.dice, self.matte, self.used = bpy, assets, dice, matte, used
        self.metals: list[Any] = []

    def dress(self, body: Any) -> dict[str, Any]:
        """Give an object new materials; return what they are."""
        dice = self.dice
        look = str(
            dice.choice(
                ["own", "painted", "textured", "plain", "real", "metal"],
                p=[0.36, 0.2, 0.17, 0.12, 0.08, 0.07],
            )
        )
        slots = [slot.material for slot in body.material_slots] or [None]
        if look == "textured" and not self.assets.textures:
            look = "painted"
        if look in ("real", "metal") and not self.assets.materials:
            look = "painted"
        if look == "metal" and self.matte:
            look = "painted"
        facts: dict[str, Any] = {"look": look, **self._finish()}
        facts["pattern"] = ""
        if look == "painted" and dice.random() < 0.5:
            facts["pattern"] = str(dice.choice(["Noise", "Voronoi", "Wave", "Checker", "Brick"]))
        # One texture or material for all parts, except that paint varies.
        texture = self._texture() if look == "textured" else None
        if texture:
            facts["texture"] = texture.name
        real = None
        if look in ("real", "metal"):
            metal = 1.0 if look == "metal" else 0.0
            pool = [m for m in self.assets.materials if m.metalness == metal]
            real = pool[int(dice.integers(len(pool)))] if pool else None
        if real:
            self.used.append(real)
            facts |= {"name": real.name, "ior": real.ior, "metal": real.metalness}
            facts["roughness"] = min(max(real.roughness, facts["roughness"], 0.05), 1.0)
        grey = float(dice.choice([0.02, 0.18, 0.45, 0.82])) * float(dice.uniform(0.8, 1.1))
        made = []
        for own in slots:
            colour = dice.uniform(0, 1, 3) ** 1.5 * float(dice.uniform(0.3, 1)) + 0.02
            image = texture and self._load(texture)
            link = None
            if real:
                colour = np.array(real.colour)
            elif look == "plain":
                colour = np.full(3, grey)
            elif look == "own" and own is not None:
                colour, image = _own_colour(own, colour)
                link = "UV" if image and body.data.uv_layers else None
            made.append(self._material(facts, colour, image, link))
            if look == "painted" and facts["pattern"]:
                self._paint_over(made[-1], facts)
        if body.material_slots:
            for slot, material in zip(body.material_slots, made, strict=True):
                slot.material = material
        else:
            body.data.materials.append(made[0])
        return facts

    def lay_ground(self, kind: str, points: NDArray[np.float64], azimuth: float) -> dict[str, Any]:
        """Lay a wide floor, in a studio with a wall behind that it curves up to."""
        dice = self.dice
        centre = (points.min(0) + points.max(0)) / 2
        reach = float(np.hypot(*(points[:, :2] - centre[:2]).T).max()) + float(points[:, 2].max())
        far = 40 * reach
        back = reach * float(dice.uniform(1.2, 3)) if kind == "studio" else far
        bend = reach * float(dice.uniform(0.05, 1.0))
        # A profile from in front of the camera to the back, swept sideways.
        profile = [(-far, 0.0), (back, 0.0)]
        if kind == "studio":
            profile += [
                (back + bend * math.sin(angle), bend * (1 - math.cos(angle)))
                for angle in np.linspace(0, math.pi / 2, 12)[1:]
            ]
            profile.append((back + bend, bend + 4 * reach))  # beyond it light may come in
        away = np.array([-math.cos(azimuth), -math.sin(azimuth)])
        side = np.array([-away[1], away[0]])
        corners = [
            (*(centre[:2] + away * along + side * across), height)
            for along, height in profile
            for across in (far, -far)
        ]
        faces = [(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(len(profile) - 1)]
        data = self.bpy.data.meshes.new("ground")
        data.from_pydata(corners, [], faces)
        data.shade_smooth()
        ground = self.bpy.data.objects.new("ground", data)
        ground.pass_index = _GROUND
        self.bpy.context.collection.objects.link(ground)
        facts: dict[str, Any] = {"look": kind, **self._finish()}
        if dice.random() < 0.55:
            facts["gloss"] = 0.0
            facts["coat"] = 0.0
        texture = self._texture() if self.assets.textures and dice.random() < 0.5 else None
        if texture:
            facts["texture"] = texture.name
        colour = np.full(3, dice.uniform(0.03, 0.85)) * dice.uniform(0.75, 1, 3)
        image = self._load(texture) if texture else None
        data.materials.append(self._material(facts, colour, image, None))
        return facts

    def _finish(self) -> dict[str, Any]:
        """How a surface shines."""
        dice = self.dice
        return {
            "gloss": 0.0 if self.matte else 1.0,
            "metal": 0.0,
            "roughness": float(np.exp(dice.uniform(math.log(0.07), math.log(0.45)))),
            "uneven": float(dice.uniform(0.1, 0.5)) if dice.random() < 0.4 else 0.0,
            "ior": float(dice.uniform(1.4, 1.7)),
            "coat": float(dice.random() < 0.15 and not self.matte),
            "coat_roughness": float(dice.uniform(0.02, 0.15)),
            "bump": float(dice.uniform(0.02, 0.25)) if dice.random() < 0.25 else 0.0,
            "scale": float(np.exp(dice.uniform(math.log(2), math.log(30)))),
            "repeat": float(np.exp(dice.uniform(math.log(0.6), math.log(3)))),
        }

    def _texture(self) -> Texture:
        texture = self.assets.textures[int(self.dice.integers(len(self.assets.textures)))]
        self.used.append(texture)
        return texture

    def _load(self, texture: Texture) -> Any:
        return self.bpy.data.images.load(str(texture.path), check_existing=True)

    def _material(self, facts: dict[str, Any], colour: Any, image: Any, link: str | None) -> Any:
        """Make a Principled material; without UVs its picture is projected from six sides."""
        material = self.bpy.data.materials.new("material")
        material.use_nodes = True
        tree = material.node_tree
        tree.nodes.clear()

        def new(kind: str) -> Any:
            return tree.nodes.new(f"ShaderNode{kind}")

        shader = new("BsdfPrincipled")
        shader.name = "surface"
        tree.links.new(shader.outputs[0], new("OutputMaterial").inputs["Surface"])
        value = {
            "Base Color": (*(float(c) for c in np.clip(colour, 0, 0.95)), 1),
            "Metallic": facts["metal"],
            "Roughness": facts["roughness"],
            "IOR": facts["ior"],
            "Specular IOR Level": 0.5 * facts["gloss"],
            "Coat Weight": facts["coat"],
            "Coat Roughness": facts["coat_roughness"],
        }
        for name, setting in value.items():
            shader.inputs[name].default_value = setting
        where = new("TexCoord")
        if image:
            picture = new("TexImage")
            picture.image = image
            if link is None:
                picture.projection, picture.projection_blend = "BOX", 0.2
                mapping = new("Mapping")
                mapping.inputs["Scale"].default_value = (facts["repeat"],) * 3
                tree.links.new(where.outputs["Object"], mapping.inputs["Vector"])
                tree.links.new(mapping.outputs["Vector"], picture.inputs["Vector"])
            else:
                tree.links.new(where.outputs["UV"], picture.inputs["Vector"])
            tree.links.new(picture.outputs["Color"], shader.inputs["Base Color"])
        if facts["uneven"] or facts["bump"]:
            noise = new("TexNoise")
            noise.inputs["Scale"].default_value = facts["scale"]
            noise.inputs["Detail"].default_value = 3
            tree.links.new(where.outputs["Object"], noise.inputs["Vector"])
            if facts["uneven"]:
                spread = new("MapRange")
                spread.inputs["From Min"].default_value = 0.3
                spread.inputs["From Max"].default_value = 0.7
                spread.inputs["To Min"].default_value = facts["roughness"]
                top = min(facts["roughness"] + facts["uneven"], 1)
                spread.inputs["To Max"].default_value = top
                tree.links.new(noise.outputs["Fac"], spread.inputs["Value"])
                tree.links.new(spread.outputs["Result"], shader.inputs["Roughness"])
            if facts["bump"]:
                bump = new("Bump")
                bump.inputs["Strength"].default_value = facts["bump"]
                bump.inputs["Distance"].default_value = 0.05
                tree.links.new(noise.outputs["Fac"], bump.inputs["Height"])
                tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
        if facts["metal"]:
            self.metals.append(material)
            mark = new("OutputAOV")
            mark.aov_name = "metal"
            mark.inputs["Value"].default_value = facts["metal"]
        return material

    def _paint_over(self, material: Any, facts: dict[str, Any]) -> None:
        """Mix a second colour into a material, in a pattern."""
        tree = material.node_tree
        shader = tree.nodes["surface"]
        pattern = tree.nodes.new(f"ShaderNodeTex{facts['pattern']}")
        pattern.inputs["Scale"].default_value = facts["scale"] / 2
        where = tree.nodes.new("ShaderNodeTexCoord")
        tree.links.new(where.outputs["Object"], pattern.inputs["Vector"])
        mix = tree.nodes.new("ShaderNodeMixRGB")
        mix.inputs[1].default_value = shader.inputs["Base Color"].default_value
        mix.inputs[2].default_value = (*(float(c) for c in self.dice.uniform(0.02, 0.8, 3)), 1)
        amount = pattern.outputs["Distance" if facts["pattern"] == "Voronoi" else "Fac"]
        tree.links.new(amount, mix.inputs["Fac"])
        tree.links.new(mix.outputs[0], shader.inputs["Base Color"])


def _own_colour(material: Any, colour: Any) -> tuple[Any, Any]:
    """The colour and picture that a mesh's own material has; `colour` if it has neither."""
    tree = material.node_tree
    shader = next((n for n in tree.nodes if n.type == "BSDF_PRINCIPLED"), None) if tree else None
    if shader is None:
        return colour, None
    socket = shader.inputs["Base Color"]
    image = None
    for link in socket.links:
        if link.from_node.type == "TEX_IMAGE" and link.from_node.image:
            found = link.from_node.image
            image = found if found.size[0] else None  # else its file is missing
    return np.array(socket.default_value[:3]), image
