"""A scene in Blender: objects that stand side by side, a floor, a camera, lights."""

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from unshine.synth.assets import Asset, Assets
from unshine.synth.blender.lights import add_lights
from unshine.synth.blender.materials import MaterialMaker
from unshine.synth.blender.meshes import import_mesh, vertices
from unshine.synth.blender.parameters import Camera, SceneKind, SceneParameters

Points = NDArray[np.float64]
"""Points on the objects, (P, 3)."""

_KINDS: dict[SceneKind, float] = {"void": 0.22, "open": 0.1, "ground": 0.38, "studio": 0.3}
"""How often each comes."""


def build_scene(
    bpy: Any, assets: Assets, rng: np.random.Generator
) -> tuple[SceneParameters, list[Any]]:
    """Put a scene into an empty Blender; return what it is made of, and the materials of metal."""
    kind = cast(SceneKind, str(rng.choice(list(_KINDS), p=list(_KINDS.values()))))
    matte = bool(rng.random() < 0.2)
    count = 1 if rng.random() < 0.5 else int(rng.integers(2, 6))
    meshes = [assets.meshes[i] for i in rng.integers(0, len(assets.meshes), count)]
    maker = MaterialMaker(bpy, assets, rng, matte)
    objects, finishes = [], []
    for mesh in meshes:
        objects.append(import_mesh(bpy, mesh))
        objects[-1].pass_index = 1  # what the mask shows
        finishes.append(maker.assign_material(objects[-1]))
    points = _arrange(bpy, objects, rng)
    camera = _add_camera(bpy, points, rng)
    if kind in ("ground", "studio"):
        ground = _add_ground(bpy, kind, points, camera.azimuth, rng)
        finishes.append(maker.assign_ground_material(ground, kind))
    lights, hdri = add_lights(bpy, assets.hdris, points, camera.azimuth, kind, rng)
    used: list[Asset] = [*meshes, *maker.used, *([hdri] if hdri else [])]
    parameters = SceneParameters(
        kind=kind,
        meshes=tuple(mesh.name for mesh in meshes),
        assets=tuple(sorted({asset.name for asset in used})),
        licence=tuple(sorted({asset.licence for asset in used})),
        materials=tuple(finishes),
        lights=lights,
        camera=camera,
        exposure=None,
        key=float(2 ** np.clip(rng.normal(0, 0.7), -2.5, 1.3)),
        matte=matte,
    )
    return parameters, maker.metals


def _arrange(bpy: Any, objects: list[Any], rng: np.random.Generator) -> Points:
    """Turn and scale the objects and stand them side by side; return points on them."""
    placed: list[tuple[NDArray[np.float64], float]] = []
    clouds = []
    for body in objects:
        size = float(rng.uniform(0.5, 1.0)) if placed else 1.0
        turn = float(rng.uniform(0, 2 * math.pi))
        cloud = vertices(body.data)
        cloud = cloud[:: max(len(cloud) // 2000, 1)] * size
        cosine, sine = math.cos(turn), math.sin(turn)
        cloud = cloud @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        radius = float(np.hypot(cloud[:, 0], cloud[:, 1]).max())
        where = np.zeros(2)
        direction = float(rng.uniform(0, 2 * math.pi))
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


def _add_camera(bpy: Any, points: Points, rng: np.random.Generator) -> Camera:
    """Aim a camera from the upper hemisphere so that the objects fill the image, or nearly."""
    import mathutils

    azimuth = float(rng.uniform(0, 2 * math.pi))
    elevation = math.radians(float(np.clip(rng.gamma(3, 9), 4, 80)))
    field = math.radians(float(rng.uniform(16, 45)))
    zoom = float(rng.uniform(0.6, 1.2))
    back = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0])
    up = np.cross(back, right)
    axes = np.stack([right, up, back], 1)
    centre = (points.min(0) + points.max(0)) / 2
    local = (points - centre) @ axes
    centre = centre + (local[:, :2].min(0) + local[:, :2].max(0)) / 2 @ np.stack([right, up])
    local = (points - centre) @ axes
    reach = np.abs(local[:, :2]).max(1) / math.tan(field / 2) + local[:, 2]
    distance = float(max(reach.max() * zoom, local[:, 2].max() + 0.1))
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.angle, data.clip_start = "HORIZONTAL", field, 0.01
    camera = bpy.data.objects.new("camera", data)
    bpy.context.collection.objects.link(camera)
    place = np.column_stack([axes, centre + back * distance])
    camera.matrix_world = mathutils.Matrix((*place, (0, 0, 0, 1)))
    bpy.context.scene.camera = camera
    return Camera(azimuth, elevation, field, distance, zoom)


def _add_ground(
    bpy: Any, kind: SceneKind, points: Points, azimuth: float, rng: np.random.Generator
) -> Any:
    """Lay a wide floor, in a studio with a wall behind that it curves up to."""
    centre = (points.min(0) + points.max(0)) / 2
    reach = float(np.hypot(*(points[:, :2] - centre[:2]).T).max()) + float(points[:, 2].max())
    far = 40 * reach
    back = reach * float(rng.uniform(1.2, 3)) if kind == "studio" else far
    bend = reach * float(rng.uniform(0.05, 1.0))
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
    data = bpy.data.meshes.new("ground")
    data.from_pydata(corners, [], faces)
    data.shade_smooth()
    ground = bpy.data.objects.new("ground", data)
    bpy.context.collection.objects.link(ground)
    return ground
