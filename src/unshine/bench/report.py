"""The report: one HTML file that opens without a network, beside the pictures it shows."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from unshine import __version__
from unshine.bench import published, tables
from unshine.bench.methods import INPUT
from unshine.bench.metrics import METRICS
from unshine.bench.run import PICTURES, Row, slug
from unshine.bench.tables import Summary

TABLE, REPORT = "table.md", "report.html"


def write(out: Path, summary: Summary, rows: list[Row], command: str) -> None:
    """Write ``table.md`` and ``report.html``.

    Parameters
    ----------
    out : Path
        The folder with the small copies of pictures.
    summary : Summary
    rows : list of Row
        Those that the summary was made from.
    command : str
        What made them.
    """
    page = resources.files("unshine.bench").joinpath("report.html").read_text(encoding="utf-8")
    # "</" would end the script element that holds the data.
    data = json.dumps(_data(out, summary, rows, command), allow_nan=False).replace("</", "<\\/")
    _replace(out / TABLE, tables.markdown(summary, command))
    _replace(out / REPORT, page.replace("__DATA__", data))


def _data(out: Path, summary: Summary, rows: list[Row], command: str) -> dict[str, Any]:
    order = {name: index for index, name in enumerate(summary.pictures)}
    per_method: dict[str, list[list[float | None] | None]] = {
        line.method.name: [None] * len(order) for line in summary.lines
    }
    shown = tables.regions(summary)
    columns = [f"{metric}_{region}" for region in shown for metric in METRICS]
    strength = [0.0] * len(order)
    for row in rows:
        if row.picture in order and not row.error:
            index = order[row.picture]
            per_method[row.method][index] = [_number(row.scores[column]) for column in columns]
            strength[index] = row.highlight_area * row.highlight_strength
    return {
        "protocol": summary.protocol.name,
        "about": summary.protocol.about,
        "command": command,
        "version": __version__,
        "regions": shown,
        "columns": columns,
        "methods": [
            {
                "name": line.method.name,
                "title": line.method.title,
                "input": line.method.name == INPUT,
                "pictures": line.pictures,
                "means": [_number(line.means[column]) for column in columns],
                "worse": line.worse,
                "seconds": _number(line.seconds),
                "scores": per_method[line.method.name],
            }
            for line in summary.lines
        ],
        "pictures": [_picture(out, name) for name in summary.pictures],
        "strength": [_number(value) for value in strength],
        "missing": [[row.title, row.reason] for row in summary.missing],
        "failures": list(summary.failures.items()),
        "left_out": list(summary.left_out.items()),
        "published": [list(figure[1:]) for figure in published.on(summary.protocol.name)],
    }


def _picture(out: Path, name: str) -> dict[str, Any]:
    """Where a picture's small copies are, their shape, and where its strongest highlight is."""
    folder = f"{PICTURES}/{slug(name)}"
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


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
