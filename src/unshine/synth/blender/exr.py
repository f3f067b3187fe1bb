"""EXR files, read and written with what Blender brings."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_exr(bpy: Any, path: Path) -> dict[str, NDArray[np.float32]]:
    """Read a file of several layers: (H, W, 3) for each in colour, (H, W, 1) for the others."""
    bpy.utils.expose_bundled_modules()
    import OpenImageIO

    file = OpenImageIO.ImageInput.open(str(path))
    spec = file.spec()
    pixels = np.asarray(file.read_image(OpenImageIO.FLOAT), np.float32)
    file.close()
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for position, channel in enumerate(spec.channelnames):
        name, _, part = channel.rpartition(".")
        found.setdefault(name, {})[part] = pixels[..., position]
    return {
        name: np.stack([parts[c] for c in ("RGB" if "R" in parts else sorted(parts)[:1])], -1)
        for name, parts in found.items()
    }


def write_exr(path: Path, linear: NDArray[np.float16]) -> None:
    """Write (H, W, 3) half floats of linear light."""
    import bpy

    height, width, _ = linear.shape
    scene = bpy.data.scenes.new("file")
    image = bpy.data.images.new("file", width, height, float_buffer=True)
    try:
        image.colorspace_settings.name = "Non-Color"
        settings = scene.render.image_settings
        settings.file_format, settings.color_mode = "OPEN_EXR", "RGB"
        settings.color_depth, settings.exr_codec = "16", "ZIP"
        settings.color_management = "OVERRIDE"
        settings.linear_colorspace_settings.name = "Non-Color"
        # Blender's images start at the bottom.
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = linear[::-1]
        image.pixels.foreach_set(pixels.ravel())
        image.save_render(str(path), scene=scene)
    finally:
        bpy.data.images.remove(image)
        bpy.data.scenes.remove(scene)
