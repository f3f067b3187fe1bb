"""The light of a scene: an environment map or an even light, and area lamps."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.synth.assets import Hdri
from unshine.synth.blender.parameters import Lamp, Lighting, SceneKind

_MAPPED = {"void": 0.7, "open": 1, "ground": 0.5, "studio": 0}
"""Share of the scenes with an environment map. The wall of a studio would keep most of its light
out, and what comes in would be noisy."""


def add_lights(
    bpy: Any,
    hdris: tuple[Hdri, ...],
    points: NDArray[np.float64],
    azimuth: float,
    kind: SceneKind,
    rng: np.random.Generator,
) -> tuple[Lighting, Hdri | None]:
    """Add an environment map, turned, or a dim even light; and up to three lamps.

    Parameters
    ----------
    bpy : module
    hdris : tuple of Hdri
        The environment maps to choose from; without any, lamps do more.
    points : ndarray, (P, 3)
        Points on the objects.
    azimuth : float
        Where the camera is.
    kind : SceneKind
    rng : Generator

    Returns
    -------
    lighting : Lighting
    hdri : Hdri or None
        The environment map, if there is one.
    """
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.cycles_visibility.camera = kind != "void"
    # Blender would choose a table many times finer than the maps, a second's work a tuple; with a
    # coarser one it misses their lamps.
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 1024
    hdri: Hdri | None = None
    turn: float | None = None
    ambient: float | None = None
    if hdris and rng.random() < _MAPPED[kind]:
        hdri = hdris[int(rng.integers(len(hdris)))]
        turn = float(rng.uniform(0, 2 * math.pi))
        _show_map(bpy, world.node_tree, hdri, turn)
    else:
        ambient = float(rng.uniform(0.02, 0.4))
        colour = world.node_tree.nodes["Background"].inputs["Color"]
        colour.default_value = (ambient, ambient, ambient, 1)
    shares = [0.45, 0.3, 0.15, 0.1] if hdri else [0, 0.4, 0.35, 0.25]
    count = int(rng.choice([0, 1, 2, 3], p=shares))
    centre = (points.min(0) + points.max(0)) / 2
    reach = float(np.linalg.norm(points - centre, axis=1).max())
    lamps = tuple(_add_lamp(bpy, centre, reach, azimuth, rng) for _ in range(count))
    return Lighting(lamps, hdri.name if hdri else None, turn, ambient), hdri


def _show_map(bpy: Any, tree: Any, hdri: Hdri, turn: float) -> None:
    where = tree.nodes.new("ShaderNodeTexCoord")
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value = (0, 0, turn)
    environment = tree.nodes.new("ShaderNodeTexEnvironment")
    environment.image = bpy.data.images.load(str(hdri.path))
    # Some maps ring below zero where they were scaled down.
    positive = tree.nodes.new("ShaderNodeVectorMath")
    positive.operation = "MAXIMUM"
    tree.links.new(where.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], environment.inputs["Vector"])
    tree.links.new(environment.outputs["Color"], positive.inputs[0])
    tree.links.new(positive.outputs[0], tree.nodes["Background"].inputs["Color"])


def _add_lamp(
    bpy: Any, centre: NDArray[np.float64], reach: float, azimuth: float, rng: np.random.Generator
) -> Lamp:
    """Hang up a lamp that shines at `centre` and that the camera does not see."""
    import mathutils

    # Mostly from the camera's half, where lamps stand and highlights face the lens.
    azimuth = azimuth + float(rng.normal(0, 1.3))
    elevation = math.radians(float(rng.uniform(20, 80)))
    distance = reach * float(rng.uniform(2, 5))
    width = distance * float(np.exp(rng.uniform(math.log(0.04), math.log(0.4))))
    light = bpy.data.lights.new("lamp", "AREA")
    light.shape = str(rng.choice(["SQUARE", "RECTANGLE", "DISK"]))
    light.size, light.size_y = width, width * float(rng.uniform(0.3, 1))
    strength = float(np.exp(rng.uniform(math.log(0.5), math.log(5))))
    # The light that reaches the objects does not depend on how far away the lamp hangs.
    light.energy = strength * 4 * math.pi * distance**2
    light.color = _lamp_colour(rng)
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
    red, green, blue = (round(float(channel), 4) for channel in light.color)
    return Lamp(light.shape, width / distance, strength, (red, green, blue), azimuth, elevation)


def _lamp_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """White, from candle to sky, or now and then of any colour; the largest channel is 1."""
    if rng.random() < 0.15:
        colour = rng.uniform(0.15, 1, 3)
    else:
        warmth = float(rng.normal(0.15, 0.3))
        colour = np.exp(np.array([warmth, 0, -warmth]))
    colour = colour / colour.max()
    return (float(colour[0]), float(colour[1]), float(colour[2]))
