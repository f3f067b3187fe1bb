"""From rows to one line a method, and to Markdown."""

from dataclasses import dataclass

import numpy as np

from unshine.bench import published
from unshine.bench.methods import INPUT, Method, Missing
from unshine.bench.metrics import COLUMNS, METRICS, REGIONS
from unshine.bench.protocols import Protocol
from unshine.bench.run import Row

NOTICEABLE = 0.01
"""Loss of PSNR in dB from which a picture counts as made worse."""


@dataclass(frozen=True)
class Line:
    """A method's averages over the pictures."""

    method: Method
    pictures: int
    """How many of them it was scored on."""
    means: dict[str, float]
    """Of `COLUMNS`, over the pictures where they exist; NaN unless it was scored on all."""
    worse: int
    """Pictures whose object has a lower PSNR than the input's."""
    seconds: float
    """Mean processor time."""

    @property
    def complete(self) -> bool:
        """Whether it was scored on all pictures."""
        return not np.isnan(self.means["psnr_whole"])


@dataclass(frozen=True)
class Summary:
    """All that a table says."""

    protocol: Protocol
    lines: list[Line]
    pictures: list[str]
    """Over which the averages go."""
    left_out: dict[str, str]
    """Pictures that were skipped, and why."""
    failures: dict[str, str]
    """Methods that failed, and on how many pictures and why for the first."""
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
        One for each method and picture.
    broken : dict of str
        Pictures without rows, and why.
    skip : bool
        Whether a picture on which any method failed is left out for all methods; otherwise that
        method has no averages.
    """
    table = {(row.method, row.picture): row for row in rows}
    pictures = sorted({row.picture for row in rows})
    left_out = dict(broken)
    for method in methods if skip else ():
        for picture in pictures:
            if error := table[method.name, picture].error:
                left_out.setdefault(picture, f"{method.title}: {error}")
    kept = [picture for picture in pictures if picture not in left_out]
    failures: dict[str, str] = {}
    lines = []
    for method in methods:
        own = [table[method.name, picture] for picture in kept]
        good = [row for row in own if not row.error]
        before = {row.picture: table[INPUT, row.picture].scores["psnr_object"] for row in good}
        if len(good) < len(kept):
            first = next(row for row in own if row.error)
            failures[method.title] = (
                f"failed on {len(kept) - len(good)} of {len(kept)} pictures, first on"
                f" {first.picture}: {first.error}"
            )
        whole = bool(good) and len(good) == len(kept)
        lines.append(
            Line(
                method,
                len(good),
                {
                    column: _mean([row.scores[column] for row in good]) if whole else np.nan
                    for column in COLUMNS
                },
                sum(row.scores["psnr_object"] < before[row.picture] - NOTICEABLE for row in good),
                _mean([row.seconds for row in good]),
            )
        )
    return Summary(protocol, lines, kept, left_out, failures, missing)


def regions(summary: Summary) -> list[str]:
    """The regions worth a column: not the object where it is the whole frame."""
    means = [line.means for line in summary.lines if line.complete]
    same = all(m["psnr_object"] == m["psnr_whole"] for m in means)
    return [region for region in REGIONS if not (same and region == "object")]


def markdown(summary: Summary, command: str) -> str:
    """Write the summary as a Markdown section."""
    shown = regions(summary)
    count = len(summary.pictures)
    lines = [
        f"# Highlight removal: {summary.protocol.name}",
        "",
        f"{summary.protocol.about}",
        "",
        f"Averages over {count} picture{'s' if count != 1 else ''}: PSNR in dB / SSIM / ΔE₀₀."
        " Bold is best, a dash means that there is no value.",
        "",
        "| method | " + " | ".join(shown) + " | made worse | CPU s |",
        "|---|" + "---|" * (len(shown) + 2),
    ]
    best = {column: _best(summary, column) for column in COLUMNS}
    for line in summary.lines:
        cells = [
            " / ".join(
                _cell(line.means[f"{metric}_{region}"], metric, best[f"{metric}_{region}"])
                for metric in METRICS
            )
            if line.complete
            else "–"
            for region in shown
        ]
        worse = "–" if line.method.name == INPUT else f"{line.worse} of {line.pictures}"
        seconds = "–" if np.isnan(line.seconds) else f"{line.seconds:.2g}"
        lines.append(f"| {line.method.title} | " + " | ".join([*cells, worse, seconds]) + " |")
    for title, notes in (
        ("Failures", [f"{name} {reason}" for name, reason in summary.failures.items()]),
        ("Left out", [f"{name}: {reason}" for name, reason in summary.left_out.items()]),
        ("Missing rows", [f"{row.title}: {row.reason}" for row in summary.missing]),
    ):
        if notes:
            lines += ["", f"## {title}", "", *(f"- {note}" for note in notes)]
    if figures := published.on(summary.protocol.name):
        lines += [
            "",
            "## Published figures",
            "",
            "Second-hand and under other protocols: not comparable with the table above.",
            "",
            "| method | PSNR | SSIM | protocol |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {f.method} | {f.psnr:.2f} | {'–' if f.ssim is None else f'{f.ssim:.3f}'}"
            f" | {f.protocol} |"
            for f in figures
        ]
    return "\n".join([*lines, "", f"Made by `{command}`.", ""])


def _mean(values: list[float]) -> float:
    there = [value for value in values if not np.isnan(value)]
    return float(np.mean(there)) if there else np.nan


def _best(summary: Summary, column: str) -> float:
    """Best mean of a column; the input, which does nothing, cannot be it."""
    values = [
        line.means[column]
        for line in summary.lines
        if line.method.name != INPUT and not np.isnan(line.means[column])
    ]
    if not values:
        return np.nan
    return min(values) if column.startswith("ciede2000") else max(values)


def _cell(value: float, metric: str, best: float) -> str:
    if np.isnan(value):
        return "–"
    text = f"{value:.{3 if metric == 'ssim' else 2}f}"
    return f"**{text}**" if value == best else text
