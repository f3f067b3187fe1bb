"""Cycles' passes: what the light of a scene is made of, denoised term by term."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.synth.blender.exr import read_exr

Array = NDArray[np.float32]


def render_passes(
    bpy: Any, size: int, samples: int, seed: int, denoise: bool = True
) -> dict[str, Array]:
    """Render the scene that Blender holds.

    Parameters
    ----------
    bpy : module
    size : int
        Height and width.
    samples : int
        Paths a pixel, at most; exactly as many if nothing is denoised.
    seed : int
        Of the paths.
    denoise : bool
        Whether to denoise the two terms.

    Returns
    -------
    dict of float32 arrays, (H, W, 3), linear
        "albedo", "diffuse" and "gloss" (the two terms), "tint" (the glossy term's colour),
        "behind" (where no surface is), "combined" (Cycles' own image, noisy), and (H, W, 1):
        "index" and "metal".
    """
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    _set_up_paths(scene.cycles, samples, seed, adaptive=denoise)
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
        _set_up_compositor(scene, folder, denoise)
        bpy.ops.render.render()
        return read_exr(bpy, next(Path(folder).glob("*.exr")))


def _set_up_paths(cycles: Any, samples: int, seed: int, adaptive: bool) -> None:
    cycles.device = "CPU"
    cycles.seed = seed % 2**31
    cycles.samples = samples
    cycles.use_adaptive_sampling = adaptive
    cycles.adaptive_threshold = 0.02
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


def _set_up_compositor(scene: Any, folder: str, denoise: bool) -> None:
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
