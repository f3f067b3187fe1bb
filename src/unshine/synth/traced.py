"""Path-traced tuples as a dataset on disk: made one by one, in any order, by any number of workers.

A tuple depends on the settings, the assets and its number alone. Its files are written elsewhere
and renamed; last comes a note, ``.unfinished/<number>.json``, that says it is whole. So a run that
was killed goes on with the tuples that have no note, and ends with the bytes of an undisturbed one.
When all are made, the notes become ``tuples.jsonl``, and lists, sheet and card are written.
"""

import atexit
import hashlib
import json
import multiprocessing
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unshine import __version__, optics
from unshine.errors import UnshineError
from unshine.synth import SAMPLES
from unshine.synth import assets as asset_files
from unshine.synth.assets import Assets
from unshine.synth.dataset import (
    LAYERS,
    file_name,
    fit_eight_bits,
    picture,
    replace,
    write_lists,
)

if TYPE_CHECKING:
    from unshine.synth.cycles import Rendered

Split = Literal["train", "validation", "test"]

SPLITS: dict[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""The splits of the meshes, and the share of each."""

MASTERS = ("i", "a", "s", "r", "d")
"""The layers that have a linear master."""

SETTINGS, TUPLES, FAILED = "settings.json", "tuples.jsonl", "failed.jsonl"

UNFINISHED = ".unfinished"

DRAWS = 3
"""How many scenes are tried for a tuple: some show nothing. A crash ends the tuple, though."""

_BYTES = {"png": 2.2, "jpg": 0.7, "exr": 6.0}
"""About how many bytes a pixel of one layer takes, rather more than less."""


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a dataset, but for how many tuples it has."""

    size: int = 256
    seed: int = 0
    samples: int = SAMPLES
    licence: asset_files.Licence = "any"
    split: Split | Literal["all"] = "all"
    format: Literal["png", "jpg"] = "png"
    quality: int = 92
    """Of JPEG files, up to 100."""
    layers: tuple[str, ...] = LAYERS
    linear: bool = False
    """Whether to write masters, too: linear half-float EXR."""

    @property
    def exposed(self) -> bool:
        """Whether there is a layer that shows the scene's exposure."""
        return not {"i", "d", "d_tc"}.isdisjoint(self.layers)


@dataclass(frozen=True)
class Sources:
    """Where the assets are on this machine; None is the default cache, and no own folder."""

    cache: Path | None = None
    meshes: Path | None = None
    hdris: Path | None = None
    textures: Path | None = None


Renderer = Callable[[Assets, int, int, int, int], "Rendered"]
"""`synth.cycles.render`: from assets, seed, index, size and samples to a tuple."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know; small, so that it travels."""

    folder: Path
    settings: Settings
    sources: Sources
    assets: str
    """`fingerprint` of the assets that the dataset is made of."""
    renderer: Renderer | None = None
    """A stand-in for Cycles."""
    one_thread: bool = False
    """Whether to render with one thread, since others work on the same machine."""


class Outcome(NamedTuple):
    """What became of a tuple: made if there is no error."""

    number: int
    error: str = ""
    stop: bool = False
    """Whether the error would befall every other tuple as well."""


def render_traced(
    folder: Path,
    count: int,
    settings: Settings,
    sources: Sources | None = None,
    run: Callable[[Job, list[int]], Iterable[Outcome]] | None = None,
    watch: Callable[[Iterable[Outcome], int, int], Iterable[Outcome]] | None = None,
    renderer: Renderer | None = None,
) -> dict[int, str]:
    """Write `count` path-traced tuples, or those that an earlier run has not.

    Parameters
    ----------
    folder : Path
        New, empty, or of a run with the same settings.
    count : int
        How many tuples; a dataset may grow, not shrink.
    settings : Settings
    sources : Sources, optional
    run : callable, optional
        `workers.local` or `workers.on_ray`; one worker process if left out.
    watch : callable, optional
        Shows progress: gets the outcomes, how many tuples there were before, and the count.
    renderer : callable, optional
        A stand-in for `synth.cycles.render`, at the top of a module.

    Returns
    -------
    dict
        Numbers of the tuples that could not be made, and why. Another run tries them again.

    Raises
    ------
    UnshineError
        If the folder is another dataset's, the disk is too small, or nothing can be rendered.
    """
    from unshine.synth import card, workers

    sources = sources or Sources()
    assets = asset_files.load(
        sources.cache, settings.licence, sources.meshes, sources.hdris, sources.textures
    )
    by_split(assets, settings.split)
    job = Job(folder.absolute(), settings, sources, fingerprint(assets), renderer)
    _prepare(job, count)
    done = _notes(folder)
    todo = [index for index in range(count) if index not in done]
    _check_space(folder, settings, len(todo))
    failed: dict[int, str] = {}
    made = len(done)
    outcomes: Iterable[Outcome] = (run or workers.local)(job, todo) if todo else ()
    for outcome in watch(outcomes, len(done), count) if watch else outcomes:
        if outcome.stop:
            raise UnshineError(outcome.error)
        if not outcome.error:
            made += 1
            continue
        failed[outcome.number] = outcome.error
        if not made and len(failed) == 20:
            raise UnshineError(f"The first 20 tuples all failed: {outcome.error}")
    notes = [note for _, note in sorted(_notes(folder).items())]
    if not notes:
        raise UnshineError(f"Not one tuple could be made: {next(iter(failed.values()))}")
    failed = dict(sorted(failed.items()))
    if failed:
        lines = [{"index": index, "error": error} for index, error in failed.items()]
        _write_json_lines(folder / FAILED, lines)
    else:
        (folder / FAILED).unlink(missing_ok=True)
    for split in SPLITS:
        if stems := [note["stem"] for note in notes if note["split"] == split]:
            write_lists(folder, split, stems, settings.format, settings.layers)
    used = {name for note in notes for name in note["assets"]}
    asset_files.write_attribution(folder / "ATTRIBUTION.csv", assets, used)
    card.write(folder, settings, sources, notes, count)
    _write_json_lines(folder / TUPLES, notes)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return failed


def split_of(mesh: str) -> Split:
    """Say which split a mesh belongs to; its name alone decides, in every dataset alike."""
    return _pick(mesh, SPLITS)


def by_split(assets: Assets, wanted: Split | Literal["all"]) -> dict[Split, Assets]:
    """Share the meshes out among the splits; splits without any are left out.

    Raises
    ------
    UnshineError
        If there is no mesh for what is wanted.
    """
    shares: dict[Split, Assets] = {}
    for split in SPLITS:
        meshes = tuple(mesh for mesh in assets.meshes if split_of(mesh.name) == split)
        if meshes and wanted in ("all", split):
            shares[split] = Assets(meshes, assets.hdris, assets.textures, assets.materials)
    if not shares:
        which = "" if wanted == "all" else f" of the {wanted} split"
        raise UnshineError(f"There is no mesh{which}; run: unshine assets fetch")
    return shares


def fingerprint(assets: Assets) -> str:
    """Tell sets of assets apart, by names; two machines with one fingerprint make one dataset."""
    kinds = (assets.meshes, assets.hdris, assets.textures, assets.materials)
    names = [[asset.name for asset in kind] for kind in kinds]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def make(job: Job, index: int) -> Outcome:
    """Render a tuple and write its files; the unit of work of every kind of worker."""
    try:
        shares = _shares(job)
        render = job.renderer or _cycles(job.one_thread)
    except UnshineError as error:
        return Outcome(index, str(error), stop=True)
    settings = job.settings
    split = _pick(f"{settings.seed}/{index}", {name: SPLITS[name] for name in shares})
    reasons: list[str] = []
    rendered = None
    while rendered is None and len(reasons) < DRAWS:
        scene = index + (len(reasons) << 32)
        try:
            rendered = _whole(
                render(shares[split], settings.seed, scene, settings.size, settings.samples)
            )
        except Exception as error:  # one scene must not stop the hundred thousand after it
            kind = "" if isinstance(error, UnshineError) else f"{type(error).__name__}: "
            reasons.append(kind + " ".join(str(error).split()))
    if rendered is None:
        return Outcome(index, reasons[-1])
    parent = multiprocessing.parent_process()
    if parent and not parent.is_alive():
        os._exit(1)  # another run may be under way
    try:
        _write(job, split, index, rendered, reasons)
    except OSError as error:
        return Outcome(index, f"{job.folder} cannot be written: {error.strerror}.", stop=True)
    return Outcome(index)


def _whole(rendered: "Rendered") -> "Rendered":
    """Refuse what nobody could learn from."""
    if not all(np.isfinite(layer).all() for layer in rendered[:5]):
        raise UnshineError("Some of its light is not a number.")
    if not rendered.mask.any():
        raise UnshineError("No object is in the picture.")
    return rendered


def _write(job: Job, split: Split, index: int, rendered: "Rendered", discarded: list[str]) -> None:
    settings, facts = job.settings, rendered.facts
    model = re.sub(r"[^A-Za-z0-9.-]+", "-", facts["meshes"][0]).strip("-.") or "mesh"
    stem = f"SSHR/{split}/{model}/{index:06d}"
    layers, scale = _displayed(rendered)
    measured, gain = statistics(layers, rendered), 1.0
    if not settings.exposed:
        gain = 1 / max(float(np.percentile(rendered.shading, 99.9)), 1e-3)
        layers, scale = _displayed(_brightened(rendered, gain))
    scratch = job.folder / UNFINISHED / f"{index:06d}-{os.getpid()}"
    scratch.mkdir(exist_ok=True)
    for layer in settings.layers:
        path = scratch / file_name(f"{index:06d}", layer, settings.format)
        options: dict[str, Any] = {"quality": settings.quality, "subsampling": 0}
        picture(layers[layer]).save(path, **(options if path.suffix == ".jpg" else {}))
    if settings.linear:
        for layer, light in zip(MASTERS, _halved(rendered), strict=True):
            _write_exr(scratch / f"{index:06d}_{layer}.exr", light)
    target = job.folder / stem
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in sorted(scratch.iterdir()):
        path.replace(target.parent / path.name)
    note = {
        "index": index,
        "seed": settings.seed,
        "split": split,
        "stem": stem,
        "discarded": discarded,
        **facts,
        "gain": gain,
        "albedo_scale": scale,
        "statistics": measured,
    }
    # Five digits are enough to read, and all that a small file can afford.
    short = json.loads(json.dumps(note), parse_float=lambda digits: float(f"{float(digits):.5g}"))
    replace(job.folder / UNFINISHED / f"{index:06d}.json", json.dumps(short))
    scratch.rmdir()


def _displayed(rendered: "Rendered") -> tuple[dict[str, NDArray[np.float32]], float]:
    """Turn light into what 8-bit files hold, and say what the albedo was multiplied by.

    The picture is clipped as a camera clips it; so are, each by itself, diffuse light and residue.
    """
    albedo, shading, scale = fit_eight_bits(rendered.albedo, rendered.shading)
    light = {
        "i": rendered.image,
        "a": albedo,
        "s": shading,
        "r": rendered.specular,
        "d": rendered.diffuse,
    }
    layers = {name: optics.encode(optics.clip(linear)) for name, linear in light.items()}
    layers["d_tc"] = optics.paper_tone_correction(layers["d"], layers["i"], layers["r"])
    layers["m"] = rendered.mask.astype(np.float32)
    return layers, scale


def _brightened(rendered: "Rendered", gain: float) -> "Rendered":
    image, shading, specular, diffuse = (
        light * np.float32(gain)
        for light in (rendered.image, rendered.shading, rendered.specular, rendered.diffuse)
    )
    return rendered._replace(image=image, shading=shading, specular=specular, diffuse=diffuse)


def statistics(layers: dict[str, NDArray[np.float32]], rendered: "Rendered") -> dict[str, Any]:
    """Measure a tuple: shares of its object's pixels, and display values in [0, 1]."""
    inside = rendered.mask
    largest = (layers["i"] - layers["d"]).max(axis=2)[inside]
    return {
        "object": float(inside.mean()),
        "highlight": float((largest > 0.04).mean()),
        "clipped": float((rendered.image.max(axis=2)[inside] >= 1).mean()),
        "brightness": float(layers["i"][inside].mean()),
        "colour": [float(x) for x in layers["d"][inside].mean(axis=0)],
    }


def _halved(rendered: "Rendered") -> Iterator[NDArray[np.float16]]:
    """Round light to half floats: the parts first, so that what is stored adds up again."""
    parts = (rendered.albedo, rendered.shading, rendered.specular)
    a, s, r = (part.astype(np.float16) for part in parts)
    diffuse = a.astype(np.float32) * s
    for light in (diffuse + r, a, s, r, diffuse):
        yield light.clip(0, np.finfo(np.float16).max).astype(np.float16)


def _write_exr(path: Path, linear: NDArray[np.float16]) -> None:
    """Write (H, W, 3) half floats, through Blender."""
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
        # Blender's pictures start at the bottom.
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = linear[::-1]
        image.pixels.foreach_set(pixels.ravel())
        image.save_render(str(path), scene=scene)
    finally:
        bpy.data.images.remove(image)
        bpy.data.scenes.remove(scene)


@lru_cache(maxsize=1)
def _shares(job: Job) -> dict[Split, Assets]:
    """Load the assets in a worker, once."""
    settings, sources = job.settings, job.sources
    assets = asset_files.load(
        sources.cache, settings.licence, sources.meshes, sources.hdris, sources.textures
    )
    if fingerprint(assets) != job.assets:
        raise UnshineError(
            "A worker has other assets than the machine that started it; give both the same, e.g."
            " with --cache in a shared folder."
        )
    return by_split(assets, settings.split)


@lru_cache(maxsize=1)
def _cycles(one_thread: bool) -> Renderer:
    """Start Blender, once, or say why it does not start."""
    from unshine.synth import cycles

    with cycles.quiet_blender() as bpy:
        if one_thread:
            before = bpy.app.handlers.render_init
            before.append(bpy.app.handlers.persistent(_use_one_thread))
            # Blender cannot end while it holds a function of Python's.
            atexit.register(before.clear)
    return cycles.render


def _use_one_thread(scene: Any, _: Any = None) -> None:
    scene.render.threads_mode, scene.render.threads = "FIXED", 1


def _pick(text: str, shares: dict[Split, float]) -> Split:
    """Pick a split by a hash: the same on every machine, in every version of Python."""
    digest = hashlib.sha256(text.encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * sum(shares.values())
    for split, share in shares.items():
        point -= share
        if point < 0:
            return split
    return next(reversed(shares))


def _prepare(job: Job, count: int) -> None:
    """Make the folder, or see that it is this dataset's."""
    folder, settings = job.folder, json.loads(json.dumps(asdict(job.settings)))
    versions = {"unshine": __version__, "assets": job.assets}
    if job.renderer is None:
        try:
            versions["bpy"] = metadata.version("bpy")
        except metadata.PackageNotFoundError:
            raise UnshineError(
                "Rendering needs Blender as a module, which exists for Python 3.11 alone; there,"
                ' install it with: pip install "unshine[render]"'
            ) from None
    wanted = {**settings, **versions}
    if folder.exists() and not (folder.is_dir() and _is_empty(folder)):
        try:
            found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UnshineError(
                f"{folder} exists and is not empty; choose another folder."
            ) from None
        if differing := [name for name in wanted if found.get(name) != wanted[name]]:
            name = differing[0]
            raise UnshineError(
                f"{folder} was begun with {name} {found.get(name)}, not {wanted[name]}; choose"
                " another folder, or the same settings to go on."
            )
        if (most := max(_notes(folder), default=-1)) >= count:
            raise UnshineError(
                f"{folder} holds tuple {most} already, so -n must be at least {most + 1}."
            )
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / SETTINGS, json.dumps(wanted, indent=1) + "\n")
    (folder / UNFINISHED).mkdir(exist_ok=True)


def _is_empty(folder: Path) -> bool:
    """Whether nothing is in a folder but what a run leaves that was killed at once."""
    return {path.name for path in folder.iterdir()} <= {f"{SETTINGS}.new"}


def _notes(folder: Path) -> dict[int, dict[str, Any]]:
    """Read what is said about the tuples that are whole."""
    texts = [path.read_text(encoding="utf-8") for path in folder.glob(f"{UNFINISHED}/*.json")]
    if (folder / TUPLES).exists():
        texts += (folder / TUPLES).read_text(encoding="utf-8").splitlines()
    return {note["index"]: note for note in map(json.loads, texts)}


def _check_space(folder: Path, settings: Settings, tuples: int) -> None:
    a_pixel = len(settings.layers) * _BYTES[settings.format]
    a_pixel += len(MASTERS) * _BYTES["exr"] if settings.linear else 0
    needed, free = tuples * settings.size**2 * a_pixel, shutil.disk_usage(folder).free
    if needed > free:
        raise UnshineError(
            f"{folder} has {free / 1e9:.1f} GB left and {tuples} tuples may need"
            f" {needed / 1e9:.1f} GB; choose another disk or fewer tuples."
        )


def _write_json_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    replace(path, "".join(json.dumps(line) + "\n" for line in lines))
