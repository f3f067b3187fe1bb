"""Scoring every method on every picture: in parallel, and going on where it stopped."""

import csv
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unshine import __version__, optics
from unshine.bench import metrics
from unshine.bench.methods import INPUT, Method
from unshine.bench.protocols import PROTOCOLS, Protocol
from unshine.data.item import Entry, Example, Floats
from unshine.errors import UnshineError

RESULTS, SETTINGS, PICTURES = "results.csv", "run.json", "pictures"
PICTURE_SIDE = 640
"""Long side of the pictures kept for the report, in pixels."""


@dataclass(frozen=True)
class Row:
    """What one method got for one picture."""

    picture: str
    method: str
    version: str
    """Of the method; another version is scored anew."""
    error: str
    """Why there are no scores, as a sentence; empty where there are."""
    seconds: float
    """Processor time, all threads together, compiling and loading excluded; NaN if nothing ran."""
    height: int
    width: int
    highlight_area: float
    highlight_strength: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Task:
    """One picture for one method, as it travels to a worker."""

    protocol: str
    entry: Entry
    method: Method
    version: str
    picture: Path | None
    """Where a small copy of the result goes, if anywhere."""


def score(
    protocol: Protocol,
    entries: list[Entry],
    methods: list[Method],
    out: Path,
    jobs: int,
    shown: int,
) -> Iterator[Row]:
    """Score every method on every picture; yield each row once it is on disk.

    Rows that ``out`` holds already are yielded first and not computed again; those of other methods
    stay there. Errors are rows too, and are tried again the next time.

    Parameters
    ----------
    protocol, entries
        What to score on.
    methods : list of Method
    out : Path
        Folder for ``results.csv``, ``run.json`` and the small copies of pictures.
    jobs : int
        Processes.
    shown : int
        How many pictures, evenly spread, leave small copies for the report.

    Raises
    ------
    UnshineError
        If a worker process dies.
    """
    versions = {method.name: method.version for method in methods}
    show = _evenly([entry.name for entry in entries], shown)
    tasks = {
        (entry.name, method.name): Task(
            protocol.name,
            entry,
            method,
            versions[method.name],
            out / PICTURES / slug(entry.name) / f"{method.name}.jpg"
            if entry.name in show
            else None,
        )
        for entry in entries
        for method in methods
    }
    rows = {(row.picture, row.method): row for row in _stored(out / RESULTS)}
    for key, row in rows.items():
        if (
            (task := tasks.get(key))
            and task.version == row.version
            and not row.error
            and (task.picture is None or task.picture.exists())
        ):
            del tasks[key]
            yield row
    rows = {key: row for key, row in rows.items() if key not in tasks}
    # Written anew, since a line may have been cut off where the last run stopped.
    _write(out / RESULTS, rows)
    with (out / RESULTS).open("a", newline="") as file:
        writer = csv.writer(file)
        for row in _computed(list(tasks.values()), jobs):
            rows[row.picture, row.method] = row
            writer.writerow(_cells(row))
            file.flush()
            yield row
    _write(out / RESULTS, rows)


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
                f"{out}: holds the results of another run; choose another --out, or --overwrite."
            )
        return
    if out.exists() and not overwrite and any(out.iterdir()):
        raise UnshineError(f"{out}: is not empty; choose another --out, or --overwrite.")
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULTS).unlink(missing_ok=True)
    stored.write_text(json.dumps(settings, indent=1) + "\n")


def slug(name: str) -> str:
    """A picture's name as the name of a folder."""
    return name.replace("/", "_")


def _computed(tasks: list[Task], jobs: int) -> Iterator[Row]:
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
            "A process died, perhaps for want of memory; run the command again with fewer --jobs"
            " to go on."
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
    """Run one method on one picture and score it; errors become rows."""
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
        scores=dict.fromkeys(metrics.COLUMNS, np.nan),
    )
    try:
        protocol = PROTOCOLS[task.protocol]
        example = _example(task.protocol, task.entry)
        run = task.method.load()
        _warm_up(task.method, example.linear)
        started = time.process_time()
        result = run(example)
        seconds = time.process_time() - started
        if result.shape != example.image.shape or not np.isfinite(result).all():
            raise UnshineError(f"{task.method.title}: gave no finite picture of the input's size.")
        if protocol.masked:
            result = result * example.mask[..., None]
        if task.picture is not None:
            _keep(result, example.linear, task.picture)
            if task.method.name == INPUT:
                _keep(example.diffuse, example.linear, task.picture.with_name("truth.jpg"))
        given = (example.image, example.diffuse, example.mask)
        area, strength = metrics.highlight_strength(*given, example.linear)
        height, width = example.image.shape[:2]
        return replace(
            blank,
            seconds=np.nan if task.method.kind in ("input", "predictions") else seconds,
            height=height,
            width=width,
            highlight_area=area,
            highlight_strength=strength,
            scores=metrics.scores(result, *given, example.linear),
        )
    except UnshineError as error:
        return replace(blank, error=str(error))
    except MemoryError:
        return replace(blank, error="there was not enough memory for this picture.")
    except Exception as error:  # one picture must not end the others
        sentence = " ".join(f"{type(error).__name__}: {error}".split())
        return replace(blank, error=sentence)


_last: dict[tuple[str, str], Example] = {}


def _example(protocol: str, entry: Entry) -> Example:
    """Load an example, or take the one that this process loaded last."""
    key = (protocol, str(entry))
    if key not in _last:
        example = PROTOCOLS[protocol].load(entry)
        _last.clear()
        _last[key] = example
    return _last[key]


@cache
def _warm_up(method: Method, linear: bool) -> None:
    """Compile and allocate before the clock starts."""
    if method.kind in ("classical", "unshine", "tshrnet", "onnx"):
        rng = np.random.default_rng(0)
        image = rng.random((24, 24, 3), np.float32)
        method.load()(Example("", image, image, np.ones((24, 24), np.bool_), linear=linear))


def _keep(result: Floats, linear: bool, path: Path) -> None:
    """Write a small copy."""
    display = optics.encode(result) if linear else result
    picture = Image.fromarray(np.rint(np.clip(display, 0, 1) * 255).astype(np.uint8))
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path.with_suffix(".new"), "JPEG", quality=95, subsampling=0)
    path.with_suffix(".new").replace(path)


def _evenly(names: list[str], count: int) -> set[str]:
    """Choose up to `count` names, evenly spread."""
    if count >= len(names):
        return set(names)
    return {names[i * len(names) // count] for i in range(count)}


_PLAIN = [field.name for field in fields(Row) if field.name != "scores"]
HEADER = [*_PLAIN, *metrics.COLUMNS]


def _cells(row: Row) -> list[str]:
    values = {name: value for name, value in asdict(row).items() if name != "scores"}
    return [
        f"{value:.6g}" if isinstance(value, float) else str(value)
        for value in (*values.values(), *(row.scores[column] for column in metrics.COLUMNS))
    ]


def _write(path: Path, rows: dict[tuple[str, str], Row]) -> None:
    """Replace the stored results by these rows, sorted."""
    new = path.with_suffix(".new")
    with new.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_cells(rows[key]) for key in sorted(rows))
    new.replace(path)


def _stored(path: Path) -> list[Row]:
    """Read the rows of an earlier run; a line that was cut off is left out."""
    if not path.exists():
        return []
    rows = []
    with path.open(newline="") as file:
        for cells in csv.DictReader(file):
            try:
                rows.append(
                    Row(
                        cells["picture"],
                        cells["method"],
                        cells["version"],
                        cells["error"],
                        float(cells["seconds"]),
                        int(cells["height"]),
                        int(cells["width"]),
                        float(cells["highlight_area"]),
                        float(cells["highlight_strength"]),
                        {column: float(cells[column]) for column in metrics.COLUMNS},
                    )
                )
            except (KeyError, TypeError, ValueError):
                continue
    return rows
