"""`unshine remove`: files, folders, patterns and pipes in, the same without highlights out."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unshine.cli import options
from unshine.cli.progress import bar
from unshine.errors import UnshineError
from unshine.io.kinds import FORMATS, KINDS, READABLE, Kind, Written, detect, ending_of

if TYPE_CHECKING:
    from unshine.jobs import Ending, Found, Job, Naming, Outcome
    from unshine.jobs.work import JobSettings

LAYERS = ("albedo", "shading", "diffuse", "specular", "mask", "exclude")
HINTS = {
    "exists already.": "exists already; add --overwrite to replace it, or --skip-existing.",
    "overwrite=True replaces it": "--overwrite replaces it",
    "would replace the input": "(see --out and --suffix) would replace the input",
    "(max_pixels)": "(--max-pixels)",
    ", only folders.": ", only folders; add --recursive.",
}
"""What the sentences of deeper layers mean for someone at the command line."""

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="IN...", help="Images, folders, patterns; - is a pipe."),
]
Out = Annotated[
    str,
    typer.Option(
        "-o", "--out", help="A file for one image, a folder for several (NEW/ makes it), - a pipe."
    ),
]
Recursive = Annotated[
    bool, typer.Option("-r", "--recursive", help="Look into folders' folders; keep their tree.")
]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="White: take highlights here, black: leave it alone, grey: let the network decide.",
    ),
]
Protect = Annotated[
    Path | None, typer.Option(metavar="FILE", help="White: nothing may change here.")
]
Detail = Annotated[
    Literal["whole", "tile"],
    typer.Option(help="tile: look at full resolution, piece by piece; slow, for fine sparkle."),
]
Save = Annotated[
    str,
    typer.Option(
        metavar="LAYERS", help=f"Write layers beside the result: any of {','.join(LAYERS)}."
    ),
]
SaveLayers = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.exr|.tif",
        help="One file with all layers, in linear light; of several images NAME_OUT.exr each.",
    ),
]
ExcludeStyle = Annotated[
    Literal["realityscan", "colmap"],
    typer.Option(help="How masks of --save exclude are named: NAME.EXT.mask.png or NAME.EXT.png."),
]
AsFormat = Annotated[
    Written | None, typer.Option("--format", help="What to write; by default what came.")
]
Quality = Annotated[
    int | None, typer.Option(min=1, max=100, help="Of lossy formats; by default as it came.")
]
BitDepth = Annotated[
    int | None, typer.Option(metavar="8|16|32", help="Bits of a value; by default as they came.")
]
Suffix = Annotated[str, typer.Option(help="Goes between a result's name and its ending.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Keep files that exist, make the others.")
]
KeepTime = Annotated[
    bool | None,
    typer.Option(
        "--keep-time/--new-time", help="Give results their source's time; so it is for folders."
    ),
]
MaxPixels = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Refuse images of more pixels than this.")
]
Ray = Annotated[
    str | None,
    typer.Option(metavar="auto|ADDRESS", help="Spread the images over a Ray cluster."),
]
Method = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A classical method, such as shen2013, instead."),
]


def remove(
    inputs: Inputs,
    out: Out,
    recursive: Recursive = False,
    strength: options.Strength = 1.0,
    sensitivity: options.Sensitivity = 0.5,
    mask: Mask = None,
    protect: Protect = None,
    detail: Detail = "whole",
    save: Save = "",
    save_layers: SaveLayers = None,
    exclude_style: ExcludeStyle = "realityscan",
    format: AsFormat = None,
    quality: Quality = None,
    bit_depth: BitDepth = None,
    suffix: Suffix = "",
    skip_existing: SkipExisting = False,
    overwrite: options.Overwrite = False,
    keep_time: KeepTime = None,
    max_pixels: MaxPixels = None,
    jobs: options.Jobs = None,
    ray: Ray = None,
    engine: options.Engine = "onnx",
    device: options.Device = "auto",
    weights: options.Weights = None,
    variant: options.Variant = None,
    method: Method = None,
) -> None:
    """Remove the highlights of photographs.

    Exit status: 0 all done, 1 some inputs failed (named, the rest done), 2 wrong usage.
    """
    from unshine.jobs import EXCLUDE_ENDINGS, Naming
    from unshine.jobs.work import JobSettings, RemoverSettings

    layers = _chosen(save)
    if skip_existing and overwrite:
        raise typer.BadParameter("not both.", param_hint="--skip-existing and --overwrite")
    if "exclude" in layers and (format or quality):
        raise typer.BadParameter("exclude copies the original as it is.", param_hint="--save")
    if method and (layers or save_layers or mask or protect or detail == "tile"):
        raise typer.BadParameter("such a method has no layers, masks, tiles.", param_hint=method)
    settings = JobSettings(
        RemoverSettings(engine, device, weights, variant, method, detail == "tile"),
        strength=strength,
        sensitivity=sensitivity,
        mask=mask,
        protect=protect,
        kind=format,
        quality=quality,
        bit_depth=bit_depth,
        keep_time=keep_time,
        max_pixels=max_pixels,
        existing="skip" if skip_existing else "overwrite" if overwrite else "refuse",
    )
    exclude_ending = EXCLUDE_ENDINGS[exclude_style]
    naming = Naming(
        suffix=suffix, layers=layers, exclude_ending=exclude_ending, layered=save_layers
    )
    _run(inputs, out, recursive, naming, settings, jobs, ray)


def _run(
    inputs: list[str],
    out: str,
    recursive: bool,
    naming: "Naming",
    settings: "JobSettings",
    processors: int | None,
    cluster: str | None,
) -> None:
    """Do all that is asked for; tell what went wrong, and how much was done."""
    from unshine.jobs import Tally, plan
    from unshine.jobs.work import make_folder

    if cluster is not None and "-" in (out, *inputs):
        raise typer.BadParameter("a pipe does not reach a cluster.", param_hint="--ray")
    found = _find(inputs, out, recursive)
    planned = plan(found.sources, _aimed(naming, found, out, settings), settings.existing)
    if settings.keep_time is None:
        settings = replace(settings, keep_time=found.several)
    problems = [*found.problems, *planned.problems]
    tally = Tally(
        there=planned.there,
        failed=len(problems),
        left_out=found.left_out,
        folders=found.folders,
    )
    for problem in problems:
        _say(problem)
    try:
        if planned.jobs and (found.several or _is_folder(out)):
            make_folder(Path(out))
        outcomes = _outcomes(planned.jobs, settings, processors, cluster)
        for outcome in _with_progress(outcomes, len(planned.jobs)):
            tally.add(outcome)
            for message in outcome.messages:
                _say(message)
    except UnshineError as error:
        _say(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say(f"stopped; {tally}. The same command with --skip-existing does the rest.")
        raise typer.Exit(130) from None
    excluded = ""
    if tally.excluded:
        share = 100 * sum(tally.excluded) / len(tally.excluded)
        images = "images" if found.several else "image"
        excluded = f"{share:.1f} % of the {images} is excluded"
    if found.several:
        typer.echo(f"{tally}; {excluded}" if excluded else str(tally))
    elif excluded:
        typer.echo(excluded)
    if tally.failed:
        raise typer.Exit(1)


def _chosen(save: str) -> tuple[str, ...]:
    """Read the names of layers."""
    names = tuple(dict.fromkeys(name.strip() for name in save.split(",") if name.strip()))
    if unknown := [name for name in names if name not in LAYERS]:
        raise typer.BadParameter(
            f"there is no layer {unknown[0]!r}; choose from {', '.join(LAYERS)}.",
            param_hint="--save",
        )
    return names


def _find(inputs: list[str], out: str, recursive: bool) -> "Found":
    """Find the images; what cannot be meant is wrong usage."""
    from unshine.jobs import PIPE, Found, Source, find

    if "-" in inputs:
        if len(inputs) > 1:
            raise typer.BadParameter("a pipe is an input by itself.", param_hint="IN")
        return Found([Source(PIPE, PIPE)])
    # The path of a file that is called "-" would be that of a pipe.
    names = [os.path.abspath(name) if Path(name) == PIPE else name for name in inputs]
    found = find(names, READABLE, recursive, Path(out))
    if not found.several or (os.path.isdir(out) and out != "-"):
        return found
    if (
        out == "-"
        or os.path.lexists(out)
        or (Path(out).suffix.lower() in FORMATS and not _is_folder(out))
    ):
        raise typer.BadParameter(
            f"{out} is not a folder; several images need one.", param_hint="--out"
        )
    return found


def _is_folder(out: str) -> bool:
    """Say if a name is a folder's: it is one, or ends in a slash."""
    return os.path.isdir(out) or out.endswith(("/", os.sep))


def _aimed(naming: "Naming", found: "Found", out: str, settings: "JobSettings") -> "Naming":
    """Say where results go and what they end in; names that cannot be meant are wrong usage."""
    from unshine.jobs import PIPE, Ending

    path = Path(out)
    if found.several or (_is_folder(out) and out != "-"):
        if found.sources and found.sources[0].path == PIPE:
            raise typer.BadParameter("what comes through a pipe has no name.", param_hint="--out")
        if naming.layered is not None:
            layered = Path(naming.layered)
            naming = replace(naming, layered=f"_{layered.stem}{layered.suffix}")
        keep = "exclude" in naming.layers
        ending = partial(_ending, kind=settings.kind) if not keep else naming.ending
        return replace(naming, target=lambda source: path / source.relative, ending=ending)
    if path == PIPE:
        if naming.layers or naming.layered:
            raise typer.BadParameter("layers cannot go into a pipe.", param_hint="--out")
        if sys.stdout.isatty():
            raise typer.BadParameter("an image is not for a terminal.", param_hint="--out")
    elif (
        settings.kind is None
        and path.suffix.lower() not in FORMATS
        and "exclude" not in naming.layers
    ):
        raise typer.BadParameter(
            f"{out} must be a folder that exists, end in a slash, or end in one of"
            f" {', '.join(FORMATS)}.",
            param_hint="--out",
        )
    elif settings.kind and FORMATS.get(path.suffix.lower(), settings.kind) != settings.kind:
        raise typer.BadParameter(f"{out} is no name of {settings.kind}.", param_hint="--format")
    return replace(naming, target=lambda _: path, ending=lambda _: Ending(path.suffix), suffix="")


def _ending(path: Path, kind: Kind | None) -> "Ending":
    """Say what a result in a folder ends in: as its source, unless that would not be true."""
    from unshine.jobs import Ending

    own = path.suffix
    named = READABLE.get(own.lower())
    real = named if named == "raw" else _kind_of(path) or named
    wanted = kind or real
    if wanted is None or FORMATS.get(own.lower()) == wanted:
        return Ending(own)
    text = ending_of(wanted)
    if kind or real is None or real == named or named is None:
        return Ending(text)
    title = KINDS[real].title
    return Ending(text, f"this is a {title} file under a wrong name; its result ends in {text}.")


def _kind_of(path: Path) -> Kind | None:
    """Return what a file is by its first bytes; None if that cannot be told."""
    try:
        with path.open("rb") as file:
            return detect(file.read(4096))
    except OSError:
        return None


def _outcomes(
    jobs: "Sequence[Job]", settings: "JobSettings", processors: int | None, cluster: str | None
) -> "Iterator[Outcome]":
    """Do the jobs, here or on a cluster."""
    from unshine.cpus import available_cpus
    from unshine.files import remove_leftovers
    from unshine.jobs import PIPE, run
    from unshine.jobs.work import Worker

    if not jobs:
        return iter(())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for folder in {path.parent for job in jobs for path in job.outputs if path != PIPE}:
        remove_leftovers(folder)
    if cluster is not None:
        from unshine.jobs import cluster as ray

        return ray.run(jobs, settings, cluster)
    processors = processors or min(available_cpus(), options.MOST_JOBS)
    threads = min(processors, len(jobs))
    network = replace(settings.network, threads=processors // threads)
    return run(jobs, Worker(replace(settings, network=network)), threads)


def _with_progress(outcomes: "Iterator[Outcome]", count: int) -> "Iterator[Outcome]":
    """Show a bar with rate and time left, on a terminal, when there is more than one image."""
    if count < 2:
        yield from outcomes
        return
    with bar("images") as progress:
        yield from progress.track(outcomes, count, description="Removing highlights")


def _say(sentence: str) -> None:
    """Tell something on stderr, in the words of the command line."""
    for lower, here in HINTS.items():
        sentence = sentence.replace(lower, here)
    # Not typer.echo, which would write past a progress bar that has taken stderr over.
    sys.stderr.write(f"unshine: {sentence}\n")
