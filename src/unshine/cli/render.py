"""`unshine render`: make a dataset of training tuples."""

from pathlib import Path
from typing import Annotated

import typer

from unshine.cli.extras import needs


def render(
    out: Annotated[Path, typer.Option("-o", "--out", help="A new or empty folder.")],
    count: Annotated[int, typer.Option("-n", min=1, help="How many tuples.")] = 64,
    procedural: Annotated[
        bool, typer.Option("--procedural", help="Scenes from formulas alone, made in seconds.")
    ] = False,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Height and width.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds make other tuples.")] = 0,
) -> None:
    """Make tuples of image, albedo, shading, residue, diffuse and tone-corrected truth."""
    if not procedural:
        raise typer.BadParameter("only --procedural scenes can be made so far.")
    with needs("train"):
        from unshine.synth.dataset import render_procedural

        render_procedural(out, count, size, seed)
    typer.echo(f"{count} tuples in {out}; look at {out / 'sheet.png'}")
