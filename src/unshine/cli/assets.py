"""`unshine assets`: openly licensed objects, light and materials for `unshine render`."""

from pathlib import Path
from typing import Annotated

import typer

from unshine.cli.extras import needs

app = typer.Typer(
    help="Fetch what `unshine render` makes scenes of.",
    no_args_is_help=True,
    add_completion=False,
)

CacheOption = Annotated[
    Path | None, typer.Option(help="The folder that keeps them; see docs/dataset.md.")
]


@app.command()
def fetch(
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder with the archives, fetched by hand.")
    ] = None,
    cache: CacheOption = None,
) -> None:
    """Bring meshes, environment maps, textures and materials into the cache (120 MB to fetch)."""
    with needs("render"):
        from unshine.synth import archives

        archives.fetch(cache, source)
    show(cache)


@app.command("list")
def show(cache: CacheOption = None) -> None:
    """Count what is in the cache, and name the meshes that are not used."""
    with needs("render"):
        from unshine.synth import assets

        found = assets.load(cache)
        free = assets.load(cache, licence="cc0")
        for kind in ("meshes", "hdris", "textures", "materials"):
            count, of_those = len(getattr(found, kind)), len(getattr(free, kind))
            typer.echo(f"{kind:10} {count:4}, of which CC0: {of_those}")
        skipped = assets.read_index(cache).get("skipped", {})
        typer.echo(f"{'skipped':10} {len(skipped):4}")
        for name, reason in skipped.items():
            typer.echo(f"    {name}: {reason}")
        typer.echo(f"in {cache or assets.default_cache()}")


@app.callback()
def _group() -> None:
    """Fetch what `unshine render` makes scenes of."""
