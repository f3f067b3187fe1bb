"""Objects from mesh files, all of one size."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.synth.assets import Mesh


def import_mesh(bpy: Any, mesh: Mesh) -> Any:
    """Import one object, joined, of size 1 and standing on the ground; its faces smooth.

    Raises
    ------
    UnshineError
        If the file cannot be read, or nothing in it has faces and a size.
    """
    before = set(bpy.data.objects)
    _read(bpy, mesh)
    new = [thing for thing in bpy.data.objects if thing not in before]
    parts = [thing for thing in new if thing.type == "MESH" and len(thing.data.polygons)]
    if not parts:
        raise UnshineError(f"{mesh.name} cannot be imported: it has no faces.")
    bpy.ops.object.select_all(action="DESELECT")
    for part in parts:
        part.select_set(True)
        if mesh.path.suffix.lower() == ".obj":
            _validate(part.data)
    bpy.context.view_layer.objects.active = parts[0]
    if len(parts) > 1:
        bpy.ops.object.join()
    bpy.ops.object.parent_clear(type="CLEAR_KEEP_TRANSFORM")
    bpy.ops.object.transform_apply()
    for thing in new:
        if thing not in parts:
            bpy.data.objects.remove(thing)
    data = parts[0].data
    # Sizes run from a screw to a lorry, in any unit.
    corners = vertices(data)
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
    return parts[0]


def _read(bpy: Any, mesh: Mesh) -> None:
    path, suffix = str(mesh.path), mesh.path.suffix.lower()
    try:
        if suffix == ".obj":
            # Blender's own check is left to `_validate`.
            bpy.ops.wm.obj_import(filepath=path, use_split_objects=False, validate_meshes=False)
        elif suffix == ".ply":
            bpy.ops.wm.ply_import(filepath=path)
        else:
            import addon_utils

            addon_utils.enable("io_scene_gltf2")
            bpy.ops.import_scene.gltf(filepath=path)
    except RuntimeError as error:
        raise UnshineError(f"{mesh.name} cannot be imported: {error}") from None


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


def vertices(data: Any) -> NDArray[np.float64]:
    """Return the corners of a mesh, (V, 3)."""
    flat = np.empty(3 * len(data.vertices), np.float32)
    data.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)
