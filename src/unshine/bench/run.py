"""Scoring every method on every image: in parallel, and going on where it stopped."""

import csv
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unshine import __version__, files, metrics, optics, pixels
from unshine.bench.methods import INPUT, Method
from unshine.bench.protocols import PROTOCOLS, Protocol
from unshine.data.item import Entry, Example
from unshine.errors import UnshineError
from unshine.pixels import Floats

RESULTS, SETTINGS, IMAGES = "results.csv", "run.json", "images"
THUMBNAIL_SIDE = 640
"""Long side of the images kept for the report, in pixels."""


@dataclass(frozen=True)
class Row:
    """What one method got for one image."""

    image: str
    method: str
    version: str
    """Of the method; another version is scored again."""
    error: str
    """Why there are no scores, as a sentence; empty where there are."""
    seconds: float
    """Processor time, all threads together, compiling and loading excluded; NaN if nothing ran."""
    height: int
    width: int
    highlight_area: float
    """Share of the object that the highlight region covers; images without one are matte."""
    highlight_strength: float
    change: float
    """Root mean square difference from the input, inside the object, in 8-bit levels."""
    scores: dict[str, float]
    """By `metrics.COLUMNS`."""


PLAIN_COLUMNS: dict[str, Any] = {
    field.name: field.type for field in fields(Row) if field.name != "scores"
}
"""Name and type of each."""
HEADER = [*PLAIN_COLUMNS, *metrics.COLUMNS]


@dataclass(frozen=True)
class Task:
    """One image for one method, as it travels to a worker."""

    protocol: str
    entry: Entry
    method: Method
    version: str
    thumbnail: Path | None
    """Where a small copy of the result goes, if anywhere."""


def score(
    protocol: Protocol,
    entries: list[Entry],
    methods: list[Method],
    out: Path,
    jobs: int,
    shown: int,
) -> Iterator[Row]:
    """Score every method on every image; yield each row once it is on disk.

    Rows that ``out`` holds already are yielded first and not computed again; those of other methods
    stay there. Errors are rows too, and are tried again the next time.

    Parameters
    ----------
    protocol, entries
        What to score on.
    methods : list of Method
    out : Path
        Folder for ``results.csv``, ``run.json`` and the small copies of images.
    jobs : int
        Processes.
    shown : int
        How many images, evenly spread, leave small copies for the report.

    Raises
    ------
    UnshineError
        If a worker process dies.
    """
    tasks = _tasks(protocol, entries, methods, out, shown)
    rows = {(row.image, row.method): row for row in _read_rows(out / RESULTS)}
    for key, row in rows.items():
        if (task := tasks.get(key)) and _answers(row, task):
            del tasks[key]
            yield row
    rows = {key: row for key, row in rows.items() if key not in tasks}
    # Written again, since a line may have been cut off where the last run stopped.
    _write_rows(out / RESULTS, rows)
    with (out / RESULTS).open("a", newline="") as file:
        writer = csv.writer(file)
        for row in _run_tasks(list(tasks.values()), jobs):
            rows[row.image, row.method] = row
            writer.writerow(_cells(row))
            file.flush()
            yield row
    _write_rows(out / RESULTS, rows)


def prepare(out: Path, data: Path, protocol: Protocol, overwrite: bool) -> None:
    """Make the folder for results, or make sure that it belongs to the same run.

    Raises
    ------
    UnshineError
        If it holds results of other data or of another protocol or version, or anything else.
    """
    settings = {"data": str(data.resolve()), "protocol": protocol.name, "unshine": __version__}
    stored = out / SETTINGS
    if stored.exists() and not overwrite:
        if json.loads(stored.read_text()) != settings:
            raise UnshineError(
                f"{out}: holds the results of another run; choose another folder, or"
                " overwrite=True to start again."
            )
        return
    if out.exists() and not overwrite and any(out.iterdir()):
        raise UnshineError(
            f"{out}: is not empty; choose another folder, or overwrite=True to start again."
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULTS).unlink(missing_ok=True)
    files.write_text(stored, json.dumps(settings, indent=1) + "\n")


def slug(name: str) -> str:
    """An image's name as the name of a folder."""
    return name.replace("/", "_")


def _tasks(
    protocol: Protocol, entries: list[Entry], methods: list[Method], out: Path, shown: int
) -> dict[tuple[str, str], Task]:
    """Everything that can be scored, by names of image and method."""
    versions = {method.name: method.version for method in methods}
    names = [entry.name for entry in entries]
    count = min(shown, len(names))
    with_thumbnails = {names[i * len(names) // count] for i in range(count)}
    return {
        (entry.name, method.name): Task(
            protocol.name,
            entry,
            method,
            versions[method.name],
            out / IMAGES / slug(entry.name) / f"{method.name}.jpg"
            if entry.name in with_thumbnails
            else None,
        )
        for entry in entries
        for method in methods
    }


def _answers(row: Row, task: Task) -> bool:
    """Whether a stored row is what the task would compute."""
    there = task.thumbnail is None or task.thumbnail.exists()
    return row.version == task.version and not row.error and there


def _run_tasks(tasks: list[Task], jobs: int) -> Iterator[Row]:
    if jobs == 1 or len(tasks) < 2:
        yield from map(_score, tasks)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _share_processors, (context.Value("i", 0), jobs))
    try:
        for future in as_completed([pool.submit(_score, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool:
        raise UnshineError(
            "A process died, perhaps for want of memory; go on with fewer processes."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _share_processors(counter: Any, jobs: int) -> None:
    """Give each worker its own processors, so that networks do not fight over all of them."""
    with counter.get_lock():
        worker = counter.value
        counter.value += 1
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))[worker % jobs :: jobs]
        if mine:
            os.sched_setaffinity(0, mine)


def _score(task: Task) -> Row:
    """Run one method on one image and score it; errors become rows."""
    blank = Row(
        task.entry.name,
        task.method.name,
        task.version,
        error="",
        seconds=np.nan,
        height=0,
        width=0,
        highlight_area=np.nan,
        highlight_strength=np.nan,
        change=np.nan,
        scores=dict.fromkeys(metrics.COLUMNS, np.nan),
    )
    try:
        return _scored(task, blank)
    except UnshineError as error:
        return replace(blank, error=str(error))
    except MemoryError:
        return replace(blank, error="there was not enough memory for this image.")
    except Exception as error:  # one image must not end the others
        sentence = " ".join(f"{type(error).__name__}: {error}".split())
        return replace(blank, error=sentence)


def _scored(task: Task, blank: Row) -> Row:
    example = _load(task.protocol, task.entry)
    result, seconds = _run(task.method, example)
    if PROTOCOLS[task.protocol].masked:
        result = result * example.mask[..., None]
    if task.thumbnail is not None:
        _save_thumbnail(result, example.linear, task.thumbnail)
        if task.method.name == INPUT:
            truth = task.thumbnail.with_name("truth.jpg")
            _save_thumbnail(example.diffuse, example.linear, truth)
    given = (example.image, example.diffuse, example.mask)
    area, strength = metrics.highlight_strength(*given, example.linear)
    height, width = example.image.shape[:2]
    return replace(
        blank,
        seconds=seconds if task.method.timed else np.nan,
        height=height,
        width=width,
        highlight_area=area,
        highlight_strength=strength,
        change=metrics.change(result.clip(0, 1), example.image, example.mask, example.linear),
        scores=metrics.scores(result, *given, example.linear),
    )


def _run(method: Method, example: Example) -> tuple[Floats, float]:
    """Run a method; return its result and its processor time."""
    run = method.load()
    _warm_up(method, example.linear)
    started = time.process_time()
    result = run(example)
    seconds = time.process_time() - started
    if result.shape != example.image.shape or not np.isfinite(result).all():
        raise UnshineError(f"{method.title}: gave no finite image of the input's size.")
    return result, seconds


@cache
def _warm_up(method: Method, linear: bool) -> None:
    """Compile and allocate before the clock starts."""
    if method.timed:
        image = np.random.default_rng(0).random((24, 24, 3), np.float32)
        method.load()(Example("", image, image, np.ones((24, 24), np.bool_), linear=linear))


@lru_cache(maxsize=1)
def _load(protocol: str, entry: Entry) -> Example:
    """Load an example; the methods of one image follow each other."""
    return PROTOCOLS[protocol].load(entry)


def _save_thumbnail(result: Floats, linear: bool, path: Path) -> None:
    display = optics.encode(result) if linear else result
    thumbnail = Image.fromarray(pixels.to_uint8(display))
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.writing(path, overwrite=True) as temporary:
        thumbnail.save(temporary, "JPEG", quality=95, subsampling=0)


def _cells(row: Row) -> list[str]:
    plain = (getattr(row, name) for name in PLAIN_COLUMNS)
    values = (*plain, *(row.scores[column] for column in metrics.COLUMNS))
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]


def _write_rows(path: Path, rows: dict[tuple[str, str], Row]) -> None:
    """Replace the stored results by these rows, sorted."""
    with files.writing(path, overwrite=True) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_cells(rows[key]) for key in sorted(rows))


def _read_rows(path: Path) -> list[Row]:
    """Read the rows of an earlier run; a line that was cut off is left out."""
    if not path.exists():
        return []
    rows = []
    with path.open(newline="") as file:
        for cells in csv.DictReader(file):
            try:
                plain = {name: read(cells[name]) for name, read in PLAIN_COLUMNS.items()}
                scores = {column: float(cells[column]) for column in metrics.COLUMNS}
                rows.append(Row(**plain, scores=scores))
            except (KeyError, TypeError, ValueError):
                continue
    return rows
