#!/usr/bin/env python3
"""GIMP 3 plug-in: take a photograph's specular highlights off, as a layer that can be edited.

The selected layer goes through the program ``unshine`` as a 16-bit PNG file. What it took off, in
linear light, comes back as a layer in Subtract mode above: opacity is the strength, and its mask
says where.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio, GLib, GObject  # noqa: E402

NAME = "plug-in-unshine"
EIGHT_BITS = (
    Gimp.Precision.U8_LINEAR,
    Gimp.Precision.U8_NON_LINEAR,
    Gimp.Precision.U8_PERCEPTUAL,
)


class Failure(Exception):
    """What the user is told, in one sentence."""


class Unshine(Gimp.PlugIn):
    """Registers Filters > Enhance > Remove Highlights."""

    def do_set_i18n(self, name):
        """There are no translations."""
        return False

    def do_query_procedures(self):
        """Name the procedures of this plug-in."""
        return [NAME]

    def do_create_procedure(self, name):
        """Describe the procedure, its place in the menus and its settings."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label("Remove _Highlights...")
        procedure.add_menu_path("<Image>/Filters/Enhance")
        procedure.set_documentation(
            "Take specular highlights off, as a layer",
            "Puts what unshine takes off the selected layer above it, in Subtract mode. Opacity is"
            " the strength; paint the layer's mask black where the highlights should stay.",
            name,
        )
        procedure.set_attribution("The Unshine authors", "Apache-2.0", "2026")
        writable = GObject.ParamFlags.READWRITE
        procedure.add_double_argument(
            "sensitivity",
            "Se_nsitivity",
            "How readily a bright spot is taken for a highlight",
            0.0,
            1.0,
            0.5,
            writable,
        )
        procedure.add_boolean_argument(
            "sixteen-bits",
            "Turn an _8-bit image into a 16-bit one",
            "Light in 8 bits is too coarse to be subtracted without steps in the shadows",
            True,
            writable,
        )
        procedure.add_string_argument(
            "program",
            "_Program",
            "The program unshine: its name where it is in PATH, else the whole path",
            "unshine",
            writable,
        )
        return procedure


def run(procedure, run_mode, image, drawables, config, data):
    """Ask for the settings, do the work, and tell the user what went wrong if anything did."""
    status = Gimp.PDBStatusType
    if run_mode == Gimp.RunMode.INTERACTIVE and not ask(procedure, config):
        return procedure.new_return_values(status.CANCEL, GLib.Error())
    try:
        if len(drawables) != 1 or not isinstance(drawables[0], Gimp.Layer):
            raise Failure("Select one layer to take the highlights off.")
        program = find_program(config.get_property("program"))
        Gimp.progress_init("Removing highlights")
        with tempfile.TemporaryDirectory(prefix="unshine-") as folder:
            source, target = Path(folder, "image.png"), Path(folder, "clean.png")
            before = export(drawables[0], source)
            try:
                remove(program, source, target, config.get_property("sensitivity"))
                after = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, gio(target))
                try:
                    raise_precision = config.get_property("sixteen-bits")
                    add_layer(drawables[0], before, after, raise_precision)
                finally:
                    after.delete()
            finally:
                before.delete()
        Gimp.displays_flush()
    except Failure as failure:
        error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), str(failure), 0)
        return procedure.new_return_values(status.EXECUTION_ERROR, error)
    return procedure.new_return_values(status.SUCCESS, GLib.Error())


def ask(procedure, config):
    """Show the settings; return whether the user said yes."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi

    GimpUi.init(NAME)
    dialog = GimpUi.ProcedureDialog(procedure=procedure, config=config)
    dialog.fill(None)
    agreed = dialog.run()
    dialog.destroy()
    return agreed


def find_program(name):
    """Return the path of the program, which may be given as a name in PATH or as a path."""
    name = os.path.expanduser(name.strip())
    if found := shutil.which(name):
        return found
    raise Failure(
        f"The program {name!r} was not found. Install it with pip, or write the whole path that"
        " `which unshine` (Windows: `where unshine`) prints into the field Program."
    )


def export(layer, path):
    """Write a layer to a 16-bit PNG file with its colour profile; return the image written."""
    original = layer.get_image()
    image = Gimp.Image.new_with_precision(
        layer.get_width(), layer.get_height(), original.get_base_type(), original.get_precision()
    )
    image.set_color_profile(original.get_effective_color_profile())
    copy = Gimp.Layer.new_from_drawable(layer, image)
    image.insert_layer(copy, None, 0)
    # Only now, since GIMP then turns a profile of linear values into one of display values.
    convert(image, Gimp.Precision.U16_NON_LINEAR)
    # The layer alone: neither its place in the image nor how it is shown there.
    copy.set_offsets(0, 0)
    copy.set_opacity(100)
    copy.set_mode(Gimp.LayerMode.NORMAL)
    copy.set_visible(True)
    if copy.get_mask():
        copy.remove_mask(Gimp.MaskApplyMode.DISCARD)
    save = Gimp.get_pdb().lookup_procedure("file-png-export")
    settings = save.create_config()
    settings.set_property("image", image)
    settings.set_property("file", gio(path))
    settings.set_property("compression", 1)
    settings.set_property("save-transparent", True)
    settings.set_property("include-color-profile", True)
    settings.set_property("include-thumbnail", False)
    if save.run(settings).index(0) != Gimp.PDBStatusType.SUCCESS:
        image.delete()
        raise Failure(f"GIMP could not write the layer to {path}; is the disk full?")
    return image


def remove(program, source, target, sensitivity):
    """Run ``unshine remove``; its own sentence says what went wrong."""
    command = [program, "remove", str(source), "-o", str(target)]
    command += ["--sensitivity", f"{sensitivity:.4f}"]
    # GIMP's packages point Python at themselves; the program brings its own.
    ours = ("PYTHONHOME", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    try:
        done = subprocess.run(
            command,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise Failure(f"{program} cannot be started: {error.strerror}.") from None
    if done.returncode != 0 or not target.exists():
        said = " ".join((done.stderr or done.stdout).split()).replace(str(source), "the layer")
        raise Failure(said or f"{program} stopped with exit code {done.returncode}.")


def add_layer(layer, before, after, sixteen_bits):
    """Put the light that was taken off above the layer, to be subtracted: one step to undo."""
    image = layer.get_image()
    image.undo_group_start()
    try:
        if sixteen_bits and image.get_precision() in EIGHT_BITS:
            convert(image, Gimp.Precision.U16_NON_LINEAR)
        colours = image.get_base_type() == Gimp.ImageBaseType.RGB
        kind = Gimp.ImageType.RGB_IMAGE if colours else Gimp.ImageType.GRAY_IMAGE
        mode = Gimp.LayerMode.SUBTRACT
        width, height = layer.get_width(), layer.get_height()
        specular = Gimp.Layer.new(image, "Specular", width, height, kind, 100, mode)
        # Light is subtracted, and blended by opacity and mask, where it adds up: in linear RGB.
        specular.set_blend_space(Gimp.LayerColorSpace.RGB_LINEAR)
        specular.set_composite_space(Gimp.LayerColorSpace.RGB_LINEAR)
        specular.set_composite_mode(Gimp.LayerCompositeMode.CLIP_TO_BACKDROP)
        image.insert_layer(specular, layer.get_parent(), image.get_item_position(layer))
        _, x, y = layer.get_offsets()
        specular.set_offsets(x, y)
        subtract(before.get_layers()[0], after.get_layers()[0], specular)
        selected = not Gimp.Selection.is_empty(image)
        start = Gimp.AddMaskType.SELECTION if selected else Gimp.AddMaskType.WHITE
        specular.add_mask(specular.create_mask(start))
    finally:
        image.undo_group_end()


def convert(image, precision):
    """Give an image another precision, where it has not got it yet."""
    if image.get_precision() != precision:
        image.convert_precision(precision)


def subtract(minuend, subtrahend, result):
    """Subtract one layer from another in linear light."""
    Gegl.init(None)
    graph = Gegl.Node()
    nodes = []
    for operation, layer in (
        ("gegl:buffer-source", minuend),
        ("gegl:buffer-source", subtrahend),
        ("gegl:subtract", None),
        ("gegl:write-buffer", result),
    ):
        node = graph.create_child(operation)
        if layer:
            node.set_property("buffer", layer.get_buffer())
        nodes.append(node)
    first, second, difference, sink = nodes
    first.connect_to("output", difference, "input")
    second.connect_to("output", difference, "aux")
    difference.connect_to("output", sink, "input")
    sink.process()
    result.get_buffer().flush()
    result.update(0, 0, result.get_width(), result.get_height())


def gio(path):
    """Return GIMP's idea of a path."""
    return Gio.File.new_for_path(str(path))


Gimp.main(Unshine.__gtype__, sys.argv)
