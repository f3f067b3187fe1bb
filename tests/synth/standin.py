"""A renderer that needs no Blender, makes different images, and fails as it is told to.

Worker processes import it by its name; STANDIN tells them what to do, e.g. ``crash=3,fail=5``.
"""

import os
import signal
import time

import numpy as np

from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.synth.blender import Rendered
from unshine.synth.blender.parameters import Camera, Lighting, SceneParameters


def orders() -> dict[str, float]:
    pairs = (order.split("=") for order in os.environ.get("STANDIN", "").split(",") if order)
    return {name: float(value) for name, value in pairs}


def render(assets, seed, index, size, samples) -> Rendered:
    told = orders()
    drawn, index = index, index & 0xFFFFFFFF
    time.sleep(told.get("sleep", 0))
    if told.get("crash") == index:
        os.kill(os.getpid(), signal.SIGSEGV)
    if told.get("fail") == index:
        raise UnshineError("this mesh is bent")
    if told.get("unlucky") == drawn:
        raise OSError("an image  of the mesh\nis missing")
    rng = np.random.default_rng((seed, index))
    mesh = assets.meshes[rng.integers(len(assets.meshes))]
    albedo = rng.uniform(0.1, 0.8, (size, size, 3)).astype(np.float32)
    shading = np.tile(np.linspace(0, 2, size, dtype=np.float32)[None, :, None], (size, 1, 3))
    specular = (rng.random((size, size, 1), np.float32) ** 8 * np.ones(3, np.float32)) * 3
    diffuse = albedo * shading
    mask = np.zeros((size, size), np.bool_)
    mask[2:-2, 2:-2] = told.get("empty") != index
    light = Layers(
        image=diffuse + specular,
        albedo=albedo,
        shading=shading,
        specular=specular,
        diffuse=diffuse,
        mask=mask,
    )
    parameters = SceneParameters(
        kind="void",
        meshes=(mesh.name,),
        assets=(mesh.name,),
        licence=(mesh.licence,),
        materials=(),
        lights=Lighting(lamps=(), ambient=0.1),
        camera=Camera(azimuth=0, elevation=0.5, field=0.5, distance=3, zoom=1),
        exposure=1.0,
        key=1.0,
        matte=False,
    )
    return Rendered(light, parameters)
