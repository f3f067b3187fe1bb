"""One path-traced tuple and its files: the unit of work of every kind of worker."""

import json
import multiprocessing
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import optics, tone
from unshine.errors import UnshineError
from unshine.files import write_text
from unshine.layers import SUFFIX, Layers
from unshine.pixels import to_uint8
from unshine.synth import assets as asset_files
from unshine.synth.assets import Assets
from unshine.synth.card import measure
from unshine.synth.job import Renderer, RenderJob, TupleOutcome
from unshine.synth.layout import file_name, fit_eight_bits
from unshine.synth.splits import SHARES, MeshSplit, by_split, pick

if TYPE_CHECKING:
    from unshine.synth.blender import Rendered

MASTERS = ("image", "albedo", "shading", "specular", "diffuse")
"""The layers that have a linear master."""

UNFINISHED = ".unfinished"
"""Folder of a dataset that is being made: what is said of the tuples that are whole."""

DRAWS = 3
"""How many scenes are tried for a tuple: some show nothing. A crash ends the tuple, though."""

Light = Layers[NDArray[np.float32]]


def make(job: RenderJob, index: int) -> TupleOutcome:
    """Render a tuple and write its files."""
    try:
        shares = _shares(job)
        render = job.renderer or _blender(job.one_thread)
    except UnshineError as error:
        return TupleOutcome(index, str(error), stop=True)
    settings = job.settings
    split = pick(f"{settings.seed}/{index}", {name: SHARES[name] for name in shares})
    reasons: list[str] = []
    rendered = None
    while rendered is None and len(reasons) < DRAWS:
        scene = index + (len(reasons) << 32)
        try:
            rendered = _validate(
                render(shares[split], settings.seed, scene, settings.size, settings.samples)
            )
        except Exception as error:  # one scene must not stop the hundred thousand after it
            kind = "" if isinstance(error, UnshineError) else f"{type(error).__name__}: "
            reasons.append(kind + " ".join(str(error).split()))
    if rendered is None:
        return TupleOutcome(index, reasons[-1])
    parent = multiprocessing.parent_process()
    if parent and not parent.is_alive():
        os._exit(1)  # another run may be under way
    try:
        _write(job, split, index, rendered, reasons)
    except UnshineError as error:
        return TupleOutcome(index, str(error), stop=True)
    except OSError as error:
        return TupleOutcome(index, f"{job.folder} cannot be written: {error.strerror}.", stop=True)
    return TupleOutcome(index)


@lru_cache(maxsize=1)
def _shares(job: RenderJob) -> dict[MeshSplit, Assets]:
    """Load the assets in a worker, once."""
    assets = asset_files.load(licence=job.settings.licence, **asdict(job.sources))
    if asset_files.fingerprint(assets) != job.assets:
        raise UnshineError(
            "A worker has other assets than the machine that started it; give both the same, e.g."
            " with a cache in a shared folder."
        )
    return by_split(assets, job.settings.split)


@lru_cache(maxsize=1)
def _blender(one_thread: bool) -> Renderer:
    """Start Blender, once, or say why it does not start."""
    from unshine.synth import blender
    from unshine.synth.blender import session

    with session.blender_session():
        pass
    if one_thread:
        session.use_one_thread()
    return blender.render_tuple


def _validate(rendered: "Rendered") -> "Rendered":
    """Refuse what nobody could learn from."""
    light = rendered.light
    if not all(np.isfinite(layer).all() for layer in light.given().values()):
        raise UnshineError("Some of its light is not a number.")
    if not light.mask.any():
        raise UnshineError("No object is in the image.")
    return rendered


def _write(
    job: RenderJob, split: MeshSplit, index: int, rendered: "Rendered", discarded: list[str]
) -> None:
    """Write a tuple's files elsewhere and rename them; say last that it is whole."""
    settings, light = job.settings, rendered.light
    model = re.sub(r"[^A-Za-z0-9.-]+", "-", rendered.parameters.meshes[0]).strip("-.") or "mesh"
    stem = f"SSHR/{split}/{model}/{index:06d}"
    shown, scale = _displayed(light)
    measured, gain = measure(shown, light), 1.0
    if not settings.exposed:
        gain = 1 / max(float(np.percentile(light.shading, 99.9)), 1e-3)
        shown, scale = _displayed(_with_gain(light, gain))
    scratch = job.folder / UNFINISHED / f"{index:06d}-{os.getpid()}"
    scratch.mkdir(exist_ok=True)
    for name, suffix in SUFFIX.items():
        if suffix in settings.layers:
            path = scratch / file_name(f"{index:06d}", suffix, settings.format)
            options: dict[str, Any] = {"quality": settings.quality, "subsampling": 0}
            image = Image.fromarray(to_uint8(getattr(shown, name)))
            image.save(path, **(options if path.suffix == ".jpg" else {}))
    if settings.linear:
        from unshine.synth.blender.exr import write_exr

        for name, values in zip(MASTERS, _to_half(light), strict=True):
            write_exr(scratch / f"{index:06d}_{SUFFIX[name]}.exr", values)
    target = (job.folder / stem).parent
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(scratch.iterdir()):
        os.replace(path, target / path.name)
    metadata = {
        "index": index,
        "seed": settings.seed,
        "split": split,
        "stem": stem,
        "discarded": discarded,
        **rendered.parameters.as_dict(),
        "gain": gain,
        "albedo_scale": scale,
        "statistics": measured,
    }
    # Five digits are enough to read, and all that a small file can afford.
    short = json.loads(
        json.dumps(metadata), parse_float=lambda digits: float(f"{float(digits):.5g}")
    )
    write_text(job.folder / UNFINISHED / f"{index:06d}.json", json.dumps(short))
    scratch.rmdir()


def _displayed(light: Light) -> tuple[Light, float]:
    """Turn light into what 8-bit files hold, and say what the albedo was multiplied by.

    The image is clipped as a camera clips it; so are, each by itself, diffuse light and residue.
    """
    albedo, shading, scale = fit_eight_bits(light.albedo, light.shading)
    fitted = light._replace(albedo=albedo, shading=shading)
    shown = Layers(
        **{name: optics.encode(optics.clip(getattr(fitted, name))) for name in MASTERS},
        mask=light.mask.astype(np.float32),
    )
    clean = tone.paper_correction(shown.diffuse, shown.image, shown.specular)
    return shown._replace(clean=clean), scale


def _with_gain(light: Light, gain: float) -> Light:
    brighter = {
        name: getattr(light, name) * np.float32(gain) for name in MASTERS if name != "albedo"
    }
    return light._replace(**brighter)


def _to_half(light: Light) -> Iterator[NDArray[np.float16]]:
    """Round the masters to half floats: the parts first, so that what is stored adds up again."""
    parts = (light.albedo, light.shading, light.specular)
    a, s, r = (part.astype(np.float16) for part in parts)
    diffuse = a.astype(np.float32) * s
    for values in (diffuse + r, a, s, r, diffuse):
        yield values.clip(0, np.finfo(np.float16).max).astype(np.float16)
