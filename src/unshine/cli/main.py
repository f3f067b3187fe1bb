"""The `unshine` command.

A verb is a function in a file of its own, and one line here. Its file imports nothing heavy at the
top (no NumPy, Pillow, ONNX Runtime or torch): what a verb needs is imported when it runs, so that
`unshine --help` and `unshine --version` answer at once.
"""

from typing import Annotated

import typer

from unshine import __version__
from unshine.cli import assets, bench, export, info, remove, render, serve, train, video

app = typer.Typer(
    name="unshine",
    help="Remove specular highlights from photographs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(remove.remove)
app.command()(video.video)
app.command()(serve.serve)
app.command()(bench.bench)
app.command()(render.render)
app.command()(train.train)
app.command()(export.export)
app.add_typer(assets.app, name="assets")
app.command()(info.info)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unshine {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass
