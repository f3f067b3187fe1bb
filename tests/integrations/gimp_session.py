"""Runs inside GIMP: the plug-in on images of many kinds; writes what came out as JSON.

Environment: UNSHINE_PIXELS, a file of display values (float32, SIZE×SIZE×3), and UNSHINE_RESULTS.
"""

import array
import json
import os
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp  # noqa: E402

SIZE = 48
Gegl.init(None)
procedure = Gimp.get_pdb().lookup_procedure("plug-in-unshine")
PIXELS = Path(os.environ["UNSHINE_PIXELS"]).read_bytes()


def new_image(precision, kind="RGB_IMAGE", profile=None):
    base = Gimp.ImageBaseType.GRAY if kind.startswith("GRAY") else Gimp.ImageBaseType.RGB
    precision = getattr(Gimp.Precision, precision)
    image = Gimp.Image.new_with_precision(SIZE + 5, SIZE + 9, base, precision)
    if profile:
        image.set_color_profile(profile)
    kind = getattr(Gimp.ImageType, kind)
    layer = Gimp.Layer.new(image, "photograph", SIZE, SIZE, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(5, 9)
    if "A_" in f"{kind.value_name}":
        layer.add_alpha()
    buffer = layer.get_buffer()
    rectangle = Gegl.Rectangle.new(0, 0, SIZE, SIZE)
    # Without a colour space of its own a format has the buffer's: these are its display values.
    buffer.set(rectangle, "R'G'B' float", PIXELS)
    buffer.flush()
    layer.update(0, 0, SIZE, SIZE)
    return image, layer


def values(drawable, left=0, top=0):
    rectangle = Gegl.Rectangle.new(left, top, SIZE, SIZE)
    data = drawable.get_buffer().get(rectangle, 1.0, "R'G'B' float", Gegl.AbyssPolicy.NONE)
    return array.array("f", data).tolist()


def call(image, layers, **settings):
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", layers)
    for name, value in settings.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    status = result.index(0).value_nick
    return status, result.index(1) if result.length() > 1 else None


def shown(image, layer, opacity=100.0, select=None, **settings):
    """Run the plug-in; return what there is before and after."""
    if select:
        image.select_rectangle(Gimp.ChannelOps.REPLACE, *select)
    found = {"before": values(layer)}
    found["status"], found["message"] = call(image, [layer], **settings)
    found["layers"] = [each.get_name() for each in image.get_layers()]
    found["precision"] = image.get_precision().value_nick
    specular = image.get_layers()[0]
    found["mode"] = specular.get_mode().value_nick
    found["masked"] = specular.get_mask() is not None
    specular.set_opacity(opacity)
    found["images"] = len(Gimp.get_images())
    merged = image.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
    _, x, y = merged.get_offsets()
    found["after"] = values(merged, 5 - x, 9 - y)
    image.delete()
    return found


adobe = Gimp.ColorProfile.new_rgb_adobe()
results = {
    "8 bits": shown(*new_image("U8_NON_LINEAR")),
    "8 bits, kept": shown(*new_image("U8_NON_LINEAR"), sixteen_bits=False),
    "16 bits": shown(*new_image("U16_NON_LINEAR")),
    "16 bits, linear": shown(*new_image("U16_LINEAR")),
    "float": shown(*new_image("FLOAT_NON_LINEAR")),
    "float, linear": shown(*new_image("FLOAT_LINEAR")),
    "grey": shown(*new_image("U16_NON_LINEAR", "GRAY_IMAGE")),
    "alpha": shown(*new_image("U16_NON_LINEAR", "RGBA_IMAGE")),
    "Adobe RGB": shown(*new_image("U16_NON_LINEAR", profile=adobe)),
    "half": shown(*new_image("U16_NON_LINEAR"), opacity=50.0),
    "selection": shown(*new_image("U16_NON_LINEAR"), select=(5, 9, SIZE // 2, SIZE)),
    "photograph": shown(*new_image("U16_NON_LINEAR"), program=os.environ["UNSHINE_PROGRAM"]),
    "no program": shown(*new_image("U8_NON_LINEAR"), program="no such program"),
    "refused": shown(*new_image("U8_NON_LINEAR"), sensitivity=1.0),
}
Path(os.environ["UNSHINE_RESULTS"]).write_text(json.dumps(results))
