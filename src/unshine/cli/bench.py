"""`unshine bench`: score methods on a dataset; tables and a report."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unshine.cli import options
from unshine.cli.extras import needs
from unshine.cli.progress import bar
from unshine.errors import UnshineError

if TYPE_CHECKING:
    from unshine.bench.methods import Method, Missing
    from unshine.bench.protocols import Protocol
    from unshine.bench.run import Row
    from unshine.bench.tables import Summary
    from unshine.data.item import Entry


Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="Folder of a dataset or of pairs; or an SSHR list file."),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--methods",
        "-m",
        metavar="NAME",
        help="all, unshine, or a classical method such as shen2013; may be repeated, or"
        " several with commas.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", help="Folder for the results; bench/DATA unless told.")
]
ProtocolName = Annotated[
    str | None,
    typer.Option(help="How to score, e.g. sshr-tshrnet; found from the data if left out."),
]
Truth = Annotated[
    Path | None, typer.Option(help="Folder of truths, if DATA is a folder of images.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Other weights for unshine than the shipped ones; or TSHRNet's, which add its"
        " rows to the table."
    ),
]
Onnx = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=FILE", help="Somebody's network, 1×3×H×W in and out."),
]
Symmetric = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="That network's values are in [-1, 1]."),
]
Predictions = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=DIR", help="Somebody's results, named as the images."),
]
OnError = Annotated[
    Literal["refuse", "skip"],
    typer.Option(
        help="What to do about an image that cannot be scored: stop, or leave it out for all"
        " methods and say so."
    ),
]
Images = Annotated[int, typer.Option(min=0, help="How many images to show in the report.")]
Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, help="Processes; one for each processor unless told."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Start again where results exist.")]


def bench(
    data: Data,
    methods: Methods = None,
    out: Out = None,
    protocol: ProtocolName = None,
    truth: Truth = None,
    weights: Weights = None,
    variant: options.Variant = None,
    onnx: Onnx = None,
    symmetric: Symmetric = None,
    predictions: Predictions = None,
    on_error: OnError = "refuse",
    images: Images = 50,
    jobs: Jobs = None,
    overwrite: Overwrite = False,
) -> None:
    """Score methods on a dataset; write results.csv, table.md, table.csv and report.html.

    Stopped runs go on where they were. Exit status: 0 all scored, 1 something could not be scored
    (named), 2 wrong usage.
    """
    networks = dict(_named(text, "--onnx") for text in onnx or [])
    folders = dict(_named(text, "--predictions") for text in predictions or [])
    names = [name for text in methods or [] for name in text.split(",") if name]
    if not names and not networks and not folders:
        names = ["all"]
    out = out or Path("bench") / data.resolve().stem
    with needs("bench"):
        from unshine.bench import methods as method_rows
        from unshine.bench import protocols, report, run
        from unshine.cpus import available_cpus

        try:
            chosen, entries = protocols.find(data, protocol, truth)
            rows, missing = method_rows.choose(
                names, weights, networks, folders, symmetric or [], variant
            )
            run.prepare(out, data, chosen, overwrite)
        except UnshineError as error:
            words = str(error).replace("another folder", "another --out")
            raise typer.BadParameter(words.replace("overwrite=True", "--overwrite")) from None
        jobs, skip = jobs or available_cpus(), on_error == "skip"
        summary = _score(chosen, entries, rows, missing, out, jobs, images, skip)
    typer.echo((out / report.TABLE).read_text())
    written = (run.RESULTS, report.TABLE, report.TABLE_CSV, report.REPORT)
    typer.echo(f"Written: {', '.join(str(out / name) for name in written)}")
    for method, reason in summary.failures.items():
        _complain(f"{method} {reason}")
    if summary.failures or summary.left_out:
        raise typer.Exit(1)


def _score(
    protocol: "Protocol",
    entries: list["Entry"],
    methods: list["Method"],
    missing: list["Missing"],
    out: Path,
    jobs: int,
    images: int,
    skip: bool,
) -> "Summary":
    """Score everything and write the report."""
    from unshine.bench import report, run, tables

    # The input first: what cannot be read is known before hours of work.
    reading = run.score(protocol, entries, methods[:1], out, jobs, images)
    rows = _with_progress(reading, len(entries), "Reading")
    broken = {row.image: row.error for row in rows if row.error}
    for image, reason in broken.items():
        _complain(f"{image}: {reason}")
    if broken and not skip:
        raise UnshineError(
            f"{len(broken)} of {len(entries)} images cannot be scored; mend them, or leave"
            " them out with --on-error skip."
        )
    if len(broken) == len(entries):
        raise UnshineError("Not one image can be scored.")
    entries = [entry for entry in entries if entry.name not in broken]
    scoring = run.score(protocol, entries, methods, out, jobs, images)
    rows = _with_progress(scoring, len(methods) * len(entries), "Scoring")
    summary = tables.summarise(protocol, rows, methods, missing, broken, skip)
    report.write(out, summary, rows, shlex.join(["unshine", *sys.argv[1:]]))
    return summary


def _named(text: str, option: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise typer.BadParameter(f"{text!r} is not NAME=PATH.", param_hint=option)
    return name, Path(path)


def _complain(sentence: str) -> None:
    sys.stderr.write(f"unshine: {sentence}\n")


def _with_progress(rows: Iterable["Row"], total: int, title: str) -> list["Row"]:
    """Collect rows, under a bar on a terminal."""
    with bar("images") as progress:
        return list(progress.track(rows, total, description=title))
