"""`unshine render`: make a dataset of training tuples."""

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from unshine.cli.extras import needs
from unshine.cli.progress import bar
from unshine.synth.assets import Licence
from unshine.synth.job import ImageFormat, RenderSettings, Sources, TupleOutcome
from unshine.synth.splits import WantedSplit

ALL = RenderSettings.layers

Out = Annotated[
    Path, typer.Option("-o", "--out", help="A new folder, or one of a run to go on with.")
]
Count = Annotated[int, typer.Option("-n", min=1, help="How many tuples.")]
ScenePool = Annotated[
    bool, typer.Option("--pool", help="Such scenes, unlit, for the pool of `unshine train`.")
]
Procedural = Annotated[
    bool, typer.Option("--procedural", help="Scenes from formulas alone, made in seconds.")
]
Size = Annotated[int, typer.Option(min=32, max=1024, help="Height and width.")]
Seed = Annotated[int, typer.Option(min=0, help="Other seeds make other tuples.")]
Samples = Annotated[int, typer.Option(min=1, help="Paths traced a pixel, at most.")]
Workers = Annotated[int, typer.Option("-j", "--workers", min=1, help="Processes on this machine.")]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="auto|ADDRESS",
        help="Render on a Ray cluster instead; all its machines must see --out and the assets.",
    ),
]
UsedLicence = Annotated[Licence, typer.Option(help="Which of the fetched assets to use.")]
Split = Annotated[
    WantedSplit, typer.Option(help="Whose meshes to use; all are shared out as 80, 10 and 10 %.")
]
Format = Annotated[ImageFormat, typer.Option(help="What the 8-bit layers are stored as.")]
Quality = Annotated[int, typer.Option(min=1, max=100, help="Of jpg.")]
LayerNames = Annotated[
    str, typer.Option(metavar="NAMES", help=f"Only some of {','.join(ALL)}.", show_default=False)
]
Linear = Annotated[
    bool, typer.Option("--linear", help="Also write linear masters, half-float EXR.")
]
Meshes = Annotated[Path | None, typer.Option(help="Your own folder of OBJ, PLY or GLB files.")]
Hdris = Annotated[Path | None, typer.Option(help="Your own folder of HDR or EXR environment maps.")]
Textures = Annotated[Path | None, typer.Option(help="Your own folder of PNG or JPEG textures.")]
Cache = Annotated[Path | None, typer.Option(help="Where `unshine assets fetch` has put its files.")]


def render(
    context: typer.Context,
    out: Out,
    count: Count = 64,
    procedural: Procedural = False,
    pool: ScenePool = False,
    size: Size = RenderSettings.size,
    seed: Seed = RenderSettings.seed,
    samples: Samples = RenderSettings.samples,
    workers: Workers = 1,
    ray: Ray = None,
    licence: UsedLicence = RenderSettings.licence,
    split: Split = RenderSettings.split,
    format: Format = RenderSettings.format,
    quality: Quality = RenderSettings.quality,
    layers: LayerNames = ",".join(ALL),
    linear: Linear = False,
    meshes: Meshes = None,
    hdris: Hdris = None,
    textures: Textures = None,
    cache: Cache = None,
) -> None:
    """Make tuples of image, albedo, shading, residue, diffuse and tone-corrected truth.

    They are path traced, of the assets that `unshine assets fetch` brings; the first run fetches
    them itself. A run that was stopped goes on with the same command. Exit status: 0 all made,
    1 some could not be made (named).
    """
    if pool:
        _refuse(context, {"out", "count", "pool", "size", "seed"})
        with needs("train"):
            from unshine.training import pool as pools

            pools.write(out, count, size, seed)
        typer.echo(f"The scenes are in {out}.")
        return
    if procedural:
        _refuse(context, {"out", "count", "procedural", "size", "seed"})
        with needs("train"):
            from unshine.synth.procedural_dataset import render_procedural

            render_procedural(out, count, size, seed)
        typer.echo(f"{count} tuples in {out}; look at {out / 'sheet.png'}")
        return
    settings = RenderSettings(
        size, seed, samples, licence, split, format, quality, _chosen(layers), linear
    )
    _render_traced(out, count, settings, Sources(cache, meshes, hdris, textures), workers, ray)


def _render_traced(
    out: Path, count: int, settings: RenderSettings, sources: Sources, workers: int, ray: str | None
) -> None:
    """Render; say what was made and where to look at it."""
    start = time.monotonic()
    with needs("cluster" if ray else "render"):
        from unshine.synth import archives, assets, card
        from unshine.synth.traced_dataset import render_traced
        from unshine.synth.workers import local, on_ray

        if not (sources.cache or sources.meshes or assets.read_index()) and find_spec("bpy"):
            typer.echo("Fetching objects, light and materials first: 140 MB, once.", err=True)
            archives.fetch()
        run = partial(on_ray, address=ray) if ray else partial(local, workers=workers)
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


def _chosen(layers: str) -> tuple[str, ...]:
    """Read the names of layers; they come in SSHR's order."""
    names = layers.split(",")
    if unknown := [name for name in names if name not in ALL]:
        raise typer.BadParameter(
            f"there is no layer {unknown[0]!r}; choose from {', '.join(ALL)}.",
            param_hint="--layers",
        )
    return tuple(layer for layer in ALL if layer in names)


def _refuse(context: typer.Context, known: set[str]) -> None:
    """Refuse options that procedural scenes do not have."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in known and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"--procedural goes without --{name}.")


def _watch(outcomes: Iterable[TupleOutcome], before: int, count: int) -> Iterator[TupleOutcome]:
    """Name failures, and show a bar with rate and time left on a terminal."""
    with bar("tuples", per_hour=True) as progress:
        task = progress.add_task("Rendering", total=count, completed=before)
        for outcome in outcomes:
            if outcome.error and not outcome.stop:
                sys.stderr.write(f"unshine: tuple {outcome.number}: {outcome.error}\n")
            progress.advance(task)
            yield outcome
