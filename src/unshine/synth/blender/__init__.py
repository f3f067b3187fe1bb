"""Path-traced tuples: Blender's Cycles, one scene a tuple, its light separated as it is traced.

Cycles adds up what a path brings in separate passes, so that its image is exactly
``DiffCol·(DiffDir + DiffInd) + GlossCol·(GlossDir + GlossInd)``: albedo, shading and residue of one
render. The two terms are denoised, each on its own, and the image summed again from them;
denoising the image itself would break I = A·S + R. (The shading alone cannot be denoised: it
ends with the surface, and a denoiser that blurs that edge is wrong there by a whole pixel.)

Surfaces neither emit nor transmit light. What stands behind the objects without being one (an
environment map) counts as diffuse. Metal has no diffuse light: a scene with metal is traced a
second time with its metal at roughness 1, and of its light only what exceeds that one is residue.

Everything in a scene is drawn from the seed and the index; names of assets rather than their
paths go into its parameters.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.synth.assets import Assets
from unshine.synth.blender.materials import roughen
from unshine.synth.blender.parameters import SceneParameters
from unshine.synth.blender.passes import render_passes
from unshine.synth.blender.scene import build_scene
from unshine.synth.blender.session import blender_session

Array = NDArray[np.float32]

_BLACK = 1e-4  # an albedo that reflects nothing: no shading can be read off it


class Rendered(NamedTuple):
    """One path-traced tuple."""

    light: Layers[Array]
    """image = albedo·shading + specular, diffuse = albedo·shading, all linear and unclipped,
    (H, W, 3); albedo in [0, 1], specular never negative; and the mask of the objects, (H, W),
    True inside."""
    parameters: SceneParameters


def render_tuple(assets: Assets, seed: int, index: int, size: int, samples: int) -> Rendered:
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

    Raises
    ------
    UnshineError
        If there is no mesh, one cannot be used, or next to nothing of the objects can be seen.
    """
    if not assets.meshes:
        raise UnshineError("There is no mesh to render; run: unshine assets fetch")
    with blender_session() as bpy:
        parameters, metals = build_scene(bpy, assets, np.random.default_rng([seed, index]))
        passes = render_passes(bpy, size, samples, seed=index)
        rough = None
        if metals:
            for material in metals:
                roughen(material)
            rough = render_passes(bpy, size, max(samples // 2, 1), seed=index)["gloss"]
    return _separate(passes, rough, parameters)


def _separate(
    passes: dict[str, Array], rough: Array | None, parameters: SceneParameters
) -> Rendered:
    """Turn the passes into A, S and R that make up I exactly."""
    passes = {name: np.nan_to_num(light, posinf=0, neginf=0) for name, light in passes.items()}
    albedo = passes["albedo"].clip(0, 1)
    diffuse = passes["diffuse"].clip(0, None) * (albedo > _BLACK)
    specular = passes["gloss"].clip(0, None)
    if parameters.matte:
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
        raise UnshineError(f"Nothing can be seen of {', '.join(parameters.meshes)}.")
    # As with a light meter held beside the object: white things stay white and black ones black.
    incident = np.percentile(shading[mask].max(-1), 80)
    exposure = float(parameters.key / max(incident, 1e-6))
    shading = (shading * exposure).astype(np.float32)
    specular = (specular * exposure).astype(np.float32)
    diffuse = albedo * shading
    light = Layers(
        image=diffuse + specular,
        albedo=albedo,
        shading=shading,
        specular=specular,
        diffuse=diffuse,
        mask=mask,
    )
    return Rendered(light, replace(parameters, exposure=exposure))
