"""`unshine video`: a film in, the same film without highlights out."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from unshine.cli import options
from unshine.cli.extras import needs
from unshine.cli.progress import bar


def video(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Any film that FFmpeg reads.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The film to write; .mkv holds most.")],
    strength: options.Strength = 1.0,
    sensitivity: options.Sensitivity = 0.5,
    trim: Annotated[
        str | None,
        typer.Option(metavar="START-END", help="Only this part, such as 0:05-0:12.5 or 30-."),
    ] = None,
    rate_factor: Annotated[
        float, typer.Option("--crf", min=0, max=51, help="Quality as x264 counts it; 0 is best.")
    ] = 16,
    overwrite: options.Overwrite = False,
    jobs: options.Jobs = None,
    engine: options.Engine = "onnx",
    device: options.Device = "auto",
    weights: options.Weights = None,
    variant: options.Variant = None,
) -> None:
    """Remove the highlights of a film; sound, subtitles, times and tags stay (needs PyAV).

    Exit status: 0 done, 1 it failed, 2 wrong usage.
    """
    from unshine import extras, film
    from unshine.cpus import available_cpus
    from unshine.io.video import Trim
    from unshine.remover import Remover

    try:
        part = None if trim is None else Trim.parse(trim)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--trim") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with needs("video"), bar("images") as progress:
            extras.load("av", "video")  # before the network is loaded
            remover = Remover(engine, device, weights, variant=variant, threads=1)
            task = progress.add_task("Removing highlights", total=None)
            lost = film.remove(
                source,
                out,
                remover,
                strength,
                sensitivity,
                trim=part,
                rate_factor=rate_factor,
                overwrite=overwrite,
                threads=jobs or min(available_cpus(), options.MOST_JOBS),
                progress=lambda done, images: progress.update(
                    task, completed=done, total=max(done, images) or None
                ),
            )
    except KeyboardInterrupt:
        typer.echo("unshine: stopped; nothing was written.", err=True)
        raise typer.Exit(130) from None
    if lost:
        typer.echo(f"unshine: {source}: not kept: {', '.join(lost)}.", err=True)
