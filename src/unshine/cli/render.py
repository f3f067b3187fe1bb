"""`unshine render`: make a dataset of training tuples."""

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unshine.cli.extras import needs
from unshine.synth import SAMPLES

if TYPE_CHECKING:
    from rich.progress import Task
    from rich.text import Text

    from unshine.synth.traced import Outcome


def render(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A new folder, or one of a run to go on with.")
    ],
    count: Annotated[int, typer.Option("-n", min=1, help="How many tuples.")] = 64,
    procedural: Annotated[
        bool, typer.Option("--procedural", help="Scenes from formulas alone, made in seconds.")
    ] = False,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Height and width.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds make other tuples.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="Paths traced a pixel, at most.")] = SAMPLES,
    workers: Annotated[
        int, typer.Option("-j", "--workers", min=1, help="Processes on this machine.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="auto|ADDRESS",
            help="Render on a Ray cluster instead; all its machines must see --out and the assets.",
        ),
    ] = None,
    licence: Annotated[
        Literal["any", "cc0"], typer.Option(help="Which of the fetched assets to use.")
    ] = "any",
    split: Annotated[
        Literal["all", "train", "validation", "test"],
        typer.Option(help="Whose meshes to use; all are shared out as 80, 10 and 10 %."),
    ] = "all",
    format: Annotated[
        Literal["png", "jpg"], typer.Option(help="What the 8-bit layers are stored as.")
    ] = "png",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpg.")] = 92,
    layers: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only some of i,a,s,r,d,d_tc,m.")
    ] = None,
    linear: Annotated[
        bool, typer.Option("--linear", help="Also write linear masters, half-float EXR.")
    ] = False,
    meshes: Annotated[
        Path | None, typer.Option(help="Your own folder of OBJ, PLY or GLB files.")
    ] = None,
    hdris: Annotated[
        Path | None, typer.Option(help="Your own folder of HDR or EXR environment maps.")
    ] = None,
    textures: Annotated[
        Path | None, typer.Option(help="Your own folder of PNG or JPEG textures.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where `unshine assets fetch` has put its files.")
    ] = None,
) -> None:
    """Make tuples of image, albedo, shading, residue, diffuse and tone-corrected truth.

    They are path traced, of the assets that `unshine assets fetch` brings; the first run fetches
    them itself. A run that was stopped goes on with the same command. Exit status: 0 all made,
    1 some could not be made (named).
    """
    if procedural:
        _refuse(context, {"out", "count", "procedural", "size", "seed"})
        with needs("train"):
            from unshine.synth.dataset import render_procedural

            render_procedural(out, count, size, seed)
        typer.echo(f"{count} tuples in {out}; look at {out / 'sheet.png'}")
        return
    with needs("cluster" if ray else "render"):
        from unshine.synth import assets, card
        from unshine.synth import workers as workshop
        from unshine.synth.dataset import LAYERS
        from unshine.synth.traced import Settings, Sources, render_traced

        names = (layers or ",".join(LAYERS)).split(",")
        if unknown := [name for name in names if name not in LAYERS]:
            raise typer.BadParameter(
                f"there is no layer {unknown[0]!r}; choose from {', '.join(LAYERS)}.",
                param_hint="--layers",
            )
        settings = Settings(
            size=size,
            seed=seed,
            samples=samples,
            licence=licence,
            split=split,
            format=format,
            quality=quality,
            layers=tuple(layer for layer in LAYERS if layer in names),
            linear=linear,
        )
        run = (
            partial(workshop.on_ray, address=ray)
            if ray
            else partial(workshop.local, workers=workers)
        )
        if not (cache or meshes or assets.fetched()) and find_spec("bpy"):
            typer.echo("Fetching objects, light and materials first: 140 MB, once.", err=True)
            assets.fetch()
        start = time.monotonic()
        sources = Sources(cache, meshes, hdris, textures)
        try:
            failed = render_traced(out, count, settings, sources, run, _watch)
        except KeyboardInterrupt:
            sys.stderr.write("unshine: stopped; the same command goes on.\n")
            raise typer.Exit(130) from None
    minutes = (time.monotonic() - start) / 60
    typer.echo(
        f"{count - len(failed)} tuples in {out} after {minutes:.1f} minutes; look at"
        f" {out / card.SHEET} and {out / card.CARD}"
    )
    if failed:
        raise typer.Exit(1)


def _refuse(context: typer.Context, known: set[str]) -> None:
    """Refuse options that procedural scenes do not have."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in known and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"--procedural goes without --{name}.")


def _watch(outcomes: Iterable["Outcome"], before: int, count: int) -> Iterator["Outcome"]:
    """Name failures, and show a bar with rate and time left on a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: "Task") -> "Text":
            speed = task.finished_speed or task.speed
            return Text(f"{speed * 3600:.0f}/h" if speed else "")

    console = Console(stderr=True)
    columns = (
        TextColumn("Rendering"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    # Ten minutes: tuples take very different times.
    with Progress(
        *columns, console=console, disable=not console.is_terminal, speed_estimate_period=600
    ) as progress:
        task = progress.add_task("", total=count, completed=before)
        for outcome in outcomes:
            if outcome.error and not outcome.stop:
                sys.stderr.write(f"unshine: tuple {outcome.number}: {outcome.error}\n")
            progress.advance(task)
            yield outcome
