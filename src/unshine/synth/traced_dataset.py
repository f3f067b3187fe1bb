"""Path-traced tuples as a dataset on disk: made one by one, in any order, by any number of workers.

A tuple depends on the settings, the assets and its number alone. Its files are written elsewhere
and renamed; last comes its metadata, ``.unfinished/<number>.json``, which says that it is whole. So
a run that was killed goes on with the tuples that have none, and ends with the bytes of an
undisturbed one. When all are made, the metadata become ``tuples.jsonl``, and lists, sheet and card
are written.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unshine import __version__
from unshine.errors import UnshineError
from unshine.files import remove_leftovers, write_text
from unshine.synth import assets as asset_files
from unshine.synth import card, workers
from unshine.synth.assets import Assets
from unshine.synth.blender.session import blender_version
from unshine.synth.job import Renderer, RenderJob, RenderSettings, Sources, TupleOutcome
from unshine.synth.layout import write_lists
from unshine.synth.splits import SHARES, by_split
from unshine.synth.traced_tuple import MASTERS, UNFINISHED

SETTINGS, TUPLES, FAILED = "settings.json", "tuples.jsonl", "failed.jsonl"

_HOPELESS = 20
"""How many tuples may fail before one is made; then something is wrong with all of them."""

_BYTES = {"png": 2.2, "jpg": 0.7, "exr": 6.0}
"""About how many bytes a pixel of one layer takes, rather more than less."""


def render_traced(
    folder: Path,
    count: int,
    settings: RenderSettings,
    sources: Sources | None = None,
    run: Callable[[RenderJob, list[int]], Iterable[TupleOutcome]] = workers.local,
    watch: Callable[[Iterable[TupleOutcome], int, int], Iterable[TupleOutcome]] | None = None,
    renderer: Renderer | None = None,
) -> dict[int, str]:
    """Write `count` path-traced tuples, or those that an earlier run has not.

    Parameters
    ----------
    folder : Path
        New, empty, or of a run with the same settings.
    count : int
        How many tuples; a dataset may grow, not shrink.
    settings : RenderSettings
    sources : Sources, optional
    run : callable, optional
        `workers.local`, one worker process unless told otherwise, or `workers.on_ray`.
    watch : callable, optional
        Shows progress: gets the outcomes, how many tuples there were before, and the count.
    renderer : callable, optional
        A stand-in for `synth.blender.render_tuple`, at the top of a module.

    Returns
    -------
    dict
        Numbers of the tuples that could not be made, and why. Another run tries them again.

    Raises
    ------
    UnshineError
        If the folder is another dataset's, the disk is too small, or nothing can be rendered.
    """
    sources = sources or Sources()
    assets = asset_files.load(licence=settings.licence, **asdict(sources))
    by_split(assets, settings.split)  # or say that there is no mesh
    fingerprint = asset_files.fingerprint(assets)
    job = RenderJob(folder.absolute(), settings, sources, fingerprint, renderer)
    _prepare(job, count)
    done = _metadata(folder)
    todo = [index for index in range(count) if index not in done]
    _check_space(folder, settings, len(todo))
    outcomes: Iterable[TupleOutcome] = run(job, todo) if todo else ()
    failed = _failures(watch(outcomes, len(done), count) if watch else outcomes, len(done))
    _finish(job, assets, count, failed)
    return failed


def _failures(outcomes: Iterable[TupleOutcome], made: int) -> dict[int, str]:
    """Wait for all outcomes; return those that are errors, by number."""
    failed: dict[int, str] = {}
    for outcome in outcomes:
        if outcome.stop:
            raise UnshineError(outcome.error)
        if not outcome.error:
            made += 1
            continue
        failed[outcome.number] = outcome.error
        if not made and len(failed) == _HOPELESS:
            raise UnshineError(f"The first {_HOPELESS} tuples all failed: {outcome.error}")
    if not made:
        raise UnshineError(f"Not one tuple could be made: {next(iter(failed.values()))}")
    return dict(sorted(failed.items()))


def _finish(job: RenderJob, assets: Assets, count: int, failed: dict[int, str]) -> None:
    """Write what is said about the dataset as a whole."""
    folder, settings = job.folder, job.settings
    metadata = [one for _, one in sorted(_metadata(folder).items())]
    if failed:
        lines = [{"index": index, "error": error} for index, error in failed.items()]
        _write_json_lines(folder / FAILED, lines)
    else:
        (folder / FAILED).unlink(missing_ok=True)
    for split in SHARES:
        if stems := [one["stem"] for one in metadata if one["split"] == split]:
            write_lists(folder, split, stems, settings.format, settings.layers)
    used = {name for one in metadata for name in one["assets"]}
    asset_files.write_attribution(folder / "ATTRIBUTION.csv", assets, used)
    card.write(folder, settings, job.sources, metadata, count)
    _write_json_lines(folder / TUPLES, metadata)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)


def _prepare(job: RenderJob, count: int) -> None:
    """Make the folder, or see that it is this dataset's."""
    folder = job.folder
    wanted = json.loads(json.dumps(asdict(job.settings)))
    wanted |= {"unshine": __version__, "assets": job.assets}
    if job.renderer is None:
        wanted["bpy"] = blender_version()
    remove_leftovers(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
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
        if (most := max(_metadata(folder), default=-1)) >= count:
            raise UnshineError(
                f"{folder} holds tuple {most} already, so there must be at least {most + 1}."
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SETTINGS, json.dumps(wanted, indent=1) + "\n")
    (folder / UNFINISHED).mkdir(exist_ok=True)
    remove_leftovers(folder / UNFINISHED)


def _metadata(folder: Path) -> dict[int, dict[str, Any]]:
    """Read what is said about the tuples that are whole, by number."""
    paths = folder.glob(f"{UNFINISHED}/[0-9]*.json")
    texts = [path.read_text(encoding="utf-8") for path in paths]
    if (folder / TUPLES).exists():
        texts += (folder / TUPLES).read_text(encoding="utf-8").splitlines()
    return {one["index"]: one for one in map(json.loads, texts)}


def _check_space(folder: Path, settings: RenderSettings, tuples: int) -> None:
    a_pixel = len(settings.layers) * _BYTES[settings.format]
    a_pixel += len(MASTERS) * _BYTES["exr"] if settings.linear else 0
    needed, free = tuples * settings.size**2 * a_pixel, shutil.disk_usage(folder).free
    if needed > free:
        raise UnshineError(
            f"{folder} has {free / 1e9:.1f} GB left and {tuples} tuples may need"
            f" {needed / 1e9:.1f} GB; choose another disk or fewer tuples."
        )


def _write_json_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
