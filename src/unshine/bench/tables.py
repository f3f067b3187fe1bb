"""Means and medians of each method, as Markdown and CSV.

Images without a highlight region are *matte*. There is nothing to remove from them, their truth is
the image, and one that is left alone would count as 100 dB in any average: they have a table of
their own, of how much each method changes them.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from unshine.bench import published
from unshine.bench.methods import INPUT, Method, Missing
from unshine.bench.protocols import Protocol
from unshine.bench.run import Row
from unshine.metrics import COLUMNS, METRICS, REGIONS

Statistic = Literal["mean", "median"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

NOTICEABLE = 0.01
"""Loss of PSNR in dB from which an image counts as made worse."""


@dataclass(frozen=True)
class Line:
    """One method over all images."""

    method: Method
    scored: int
    """How many of the glossy images it was scored on."""
    complete: bool
    """Whether it was scored on all images."""
    averages: dict[Statistic, dict[str, float]]
    """Of `COLUMNS`, over the glossy images where they exist; NaN unless it is complete."""
    worse: int
    """Glossy images whose object has a lower PSNR than the input's."""
    seconds: float
    """Mean processor time, over all images."""
    matte_change: dict[str, float]
    """Mean, median and largest change of the matte images, in 8-bit levels; NaN without any."""


@dataclass(frozen=True)
class Summary:
    """All that a table says."""

    protocol: Protocol
    lines: list[Line]
    glossy: list[str]
    """Images with a highlight region, over which the averages go."""
    matte: list[str]
    left_out: dict[str, str]
    """Images that were skipped, and why."""
    failures: dict[str, str]
    """Methods that failed, and on how many images and why for the first."""
    missing: list[Missing]


def summarise(
    protocol: Protocol,
    rows: list[Row],
    methods: list[Method],
    missing: list[Missing],
    broken: dict[str, str],
    skip: bool,
) -> Summary:
    """Average the rows.

    Parameters
    ----------
    rows : list of Row
        One for each method and image.
    broken : dict of str
        Images without rows, and why.
    skip : bool
        Whether an image on which any method failed is left out for all methods; otherwise that
        method has no averages.
    """
    table = {(row.method, row.image): row for row in rows}
    images = sorted({row.image for row in rows})
    left_out = dict(broken)
    for method in methods if skip else ():
        for image in images:
            if error := table[method.name, image].error:
                left_out.setdefault(image, f"{method.title}: {error}")
    inputs = {image: table[INPUT, image] for image in images if image not in left_out}
    own = {m.title: [table[m.name, image] for image in inputs] for m in methods}
    return Summary(
        protocol,
        [_line(method, own[method.title], inputs) for method in methods],
        [image for image, row in inputs.items() if row.highlight_area > 0],
        [image for image, row in inputs.items() if row.highlight_area == 0],
        left_out,
        {title: reason for title, rows in own.items() if (reason := _failure(rows))},
        missing,
    )


def regions(summary: Summary) -> list[str]:
    """The regions worth a column: not the object where it is the whole frame."""
    means = [line.averages["mean"] for line in summary.lines if line.complete]
    same = all(m["psnr_object"] == m["psnr_whole"] for m in means) and bool(summary.glossy)
    return [region for region in REGIONS if not (same and region == "object")]


def markdown(summary: Summary, command: str) -> str:
    """Write the summary as a Markdown section."""
    lines = [f"# Highlight removal: {summary.protocol.name}", "", summary.protocol.about]
    if summary.glossy:
        lines += ["", *_glossy_table(summary)]
    if summary.matte:
        lines += ["", *_matte_table(summary)]
    for title, notes in (
        ("Failures", [f"{name} {reason}" for name, reason in summary.failures.items()]),
        ("Left out", [f"{name}: {reason}" for name, reason in summary.left_out.items()]),
        ("Missing rows", [f"{row.title}: {row.reason}" for row in summary.missing]),
    ):
        if notes:
            lines += ["", f"## {title}", "", *(f"- {note}" for note in notes)]
    if published.on(summary.protocol.name):
        lines += ["", *_published_table(summary.protocol.name)]
    return "\n".join([*lines, "", f"Made by `{command}`.", ""])


def csv_table(summary: Summary) -> str:
    """Write the summary as CSV: a line for each method and statistic."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    matte = ("matte_images", "matte_change")
    writer.writerow(["method", "statistic", "images", *COLUMNS, "worse", *matte, "seconds"])
    for line in summary.lines:
        for statistic in STATISTICS:
            values = [
                *(line.averages[statistic][column] for column in COLUMNS),
                line.worse,
                len(summary.matte),
                line.matte_change[statistic],
                line.seconds,
            ]
            cells = [f"{value:.6g}" if isinstance(value, float) else value for value in values]
            writer.writerow([line.method.name, statistic, line.scored, *cells])
    return file.getvalue()


def images(names: list[str]) -> str:
    """How many images, in words."""
    return f"{len(names)} image{'' if len(names) == 1 else 's'}"


def _line(method: Method, own: list[Row], inputs: dict[str, Row]) -> Line:
    """Average a method's rows."""
    good = [row for row in own if not row.error]
    complete = len(good) == len(own)
    glossy = [row for row in good if inputs[row.image].highlight_area > 0]
    matte = [row.change for row in good if inputs[row.image].highlight_area == 0]
    worse = [
        row
        for row in glossy
        if row.scores["psnr_object"] < inputs[row.image].scores["psnr_object"] - NOTICEABLE
    ]
    values = {column: [row.scores[column] for row in glossy] for column in COLUMNS}
    return Line(
        method,
        len(glossy),
        complete,
        {
            statistic: {
                column: _average(values[column], statistic) if complete else np.nan
                for column in COLUMNS
            }
            for statistic in STATISTICS
        },
        len(worse),
        _average([row.seconds for row in good], "mean"),
        {statistic: _average(matte, statistic) if complete else np.nan for statistic in STATISTICS}
        | {"largest": max(matte) if matte and complete else np.nan},
    )


def _failure(own: list[Row]) -> str:
    """Say on how many images a method failed, and why on the first; empty if it never did."""
    bad = [row for row in own if row.error]
    if not bad:
        return ""
    first = bad[0]
    return f"failed on {len(bad)} of {len(own)} images, first on {first.image}: {first.error}"


def _glossy_table(summary: Summary) -> Iterator[str]:
    shown = regions(summary)
    yield (
        f"Over {images(summary.glossy)}: PSNR in dB / SSIM / ΔE₀₀. Bold is best, a dash means that"
        " there is no value."
    )
    yield ""
    yield "| method | | " + " | ".join(shown) + " | made worse | CPU s |"
    yield "|---|---|" + "---|" * (len(shown) + 2)
    best = {s: {column: _best(summary, s, column) for column in COLUMNS} for s in STATISTICS}
    for line in summary.lines:
        worse = "–" if line.method.name == INPUT else f"{line.worse} of {line.scored}"
        seconds = "–" if np.isnan(line.seconds) else f"{line.seconds:.2g}"
        for statistic in STATISTICS:
            cells = [
                " / ".join(
                    _cell(line.averages[statistic][column], best[statistic][column], metric)
                    for metric in METRICS
                    for column in [f"{metric}_{region}"]
                )
                if line.complete
                else "–"
                for region in shown
            ]
            first = statistic == STATISTICS[0]
            head = [line.method.title if first else "", statistic]
            yield f"| {' | '.join([*head, *cells, *([worse, seconds] if first else ['', ''])])} |"


def _matte_table(summary: Summary) -> Iterator[str]:
    yield f"## Matte: {images(summary.matte)} without a highlight"
    yield ""
    yield "Change of the object, root mean square, in 8-bit levels; nothing should change."
    yield ""
    yield "| method | mean | median | largest |"
    yield "|---|---|---|---|"
    for line in summary.lines:
        if line.method.name != INPUT:
            cells = [_cell(value, np.nan, "change") for value in line.matte_change.values()]
            yield f"| {line.method.title} | {' | '.join(cells)} |"


def _published_table(protocol: str) -> Iterator[str]:
    yield "## Published figures"
    yield ""
    yield "Second-hand and under other protocols: not comparable with the table above."
    yield ""
    yield "| method | PSNR | SSIM | protocol |"
    yield "|---|---|---|---|"
    for figure in published.on(protocol):
        ssim = "–" if figure.ssim is None else f"{figure.ssim:.3f}"
        yield f"| {figure.method} | {figure.psnr:.2f} | {ssim} | {figure.protocol} |"


def _average(values: list[float], statistic: Statistic) -> float:
    """Of the values that exist; NaN without any."""
    there = [value for value in values if not np.isnan(value)]
    if not there:
        return np.nan
    return float(np.mean(there) if statistic == "mean" else np.median(there))


def _best(summary: Summary, statistic: Statistic, column: str) -> float:
    """Best average of a column; the input, which does nothing, cannot be it."""
    values = [
        line.averages[statistic][column]
        for line in summary.lines
        if line.method.name != INPUT and not np.isnan(line.averages[statistic][column])
    ]
    if not values:
        return np.nan
    return min(values) if column.startswith("ciede2000") else max(values)


def _cell(value: float, best: float, metric: str) -> str:
    if np.isnan(value):
        return "–"
    text = f"{value:.{3 if metric == 'ssim' else 2}f}"
    return f"**{text}**" if value == best else text
