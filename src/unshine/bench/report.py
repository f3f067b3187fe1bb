"""The report: one HTML file that opens without a network, beside the images it shows."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from unshine import __version__, files
from unshine.bench import published, tables
from unshine.bench.methods import INPUT
from unshine.bench.run import IMAGES, Row, slug
from unshine.bench.tables import STATISTICS, Line, Summary
from unshine.metrics import METRICS

TABLE, TABLE_CSV, REPORT = "table.md", "table.csv", "report.html"


def write(out: Path, summary: Summary, rows: list[Row], command: str) -> None:
    """Write ``table.md``, ``table.csv`` and ``report.html``.

    Parameters
    ----------
    out : Path
        The folder with the small copies of images.
    summary : Summary
    rows : list of Row
        Those that the summary was made from.
    command : str
        What made them.
    """
    page = resources.files("unshine.bench").joinpath("report.html").read_text(encoding="utf-8")
    # "</" would end the script element that holds the data.
    data = json.dumps(_data(out, summary, rows, command), allow_nan=False).replace("</", "<\\/")
    files.write_text(out / TABLE, tables.markdown(summary, command))
    files.write_text(out / TABLE_CSV, tables.csv_table(summary))
    files.write_text(out / REPORT, page.replace("__DATA__", data))


def _data(out: Path, summary: Summary, rows: list[Row], command: str) -> dict[str, Any]:
    names = [*summary.glossy, *summary.matte]
    shown = tables.regions(summary)
    columns = [f"{metric}_{region}" for region in shown for metric in METRICS]
    found = {(row.method, row.image): row for row in rows if not row.error}
    inputs = [found[INPUT, name] for name in names]
    return {
        "protocol": summary.protocol.name,
        "about": summary.protocol.about,
        "command": command,
        "version": __version__,
        "regions": shown,
        "columns": columns,
        "methods": [
            _method(line, columns, [found.get((line.method.name, name)) for name in names])
            for line in summary.lines
        ],
        "images": [_image(out, name) for name in names],
        "matte": [row.highlight_area == 0 for row in inputs],
        "strength": [_number(row.highlight_area * row.highlight_strength) for row in inputs],
        "missing": [[row.title, row.reason] for row in summary.missing],
        "failures": list(summary.failures.items()),
        "left_out": list(summary.left_out.items()),
        "published": [list(figure[1:]) for figure in published.on(summary.protocol.name)],
    }


def _method(line: Line, columns: list[str], rows: list[Row | None]) -> dict[str, Any]:
    """One method's averages, and its scores image by image."""
    averages: dict[str, Any] = {
        statistic: [_number(line.averages[statistic][column]) for column in columns]
        for statistic in STATISTICS
    }
    return {
        "name": line.method.name,
        "title": line.method.title,
        "input": line.method.name == INPUT,
        "scored": line.scored,
        **averages,
        "worse": line.worse,
        "seconds": _number(line.seconds),
        "matte_change": {name: _number(value) for name, value in line.matte_change.items()},
        "scores": [row and [_number(row.scores[column]) for column in columns] for row in rows],
        "change": [row and _number(row.change) for row in rows],
    }


def _image(out: Path, name: str) -> dict[str, Any]:
    """Where an image's small copies are, their shape, and where its strongest highlight is."""
    folder = f"{IMAGES}/{slug(name)}"
    image, truth = out / folder / f"{INPUT}.jpg", out / folder / "truth.jpg"
    if not (image.exists() and truth.exists()):
        return {"name": name, "folder": None}
    with Image.open(image) as first, Image.open(truth) as second:
        width, height = first.size
        difference = np.asarray(first, np.float32) - np.asarray(second, np.float32)
    blurred = ndimage.gaussian_filter(difference.max(axis=2), min(width, height) / 40)
    y, x = np.unravel_index(blurred.argmax(), blurred.shape)
    focus = [round(float(x) / width, 4), round(float(y) / height, 4)]
    return {"name": name, "folder": folder, "width": width, "height": height, "focus": focus}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.5g}")
