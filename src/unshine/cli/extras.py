"""Missing extras, and mistakes that the user can mend, in one line; for every verb."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from unshine.errors import UnshineError
from unshine.extras import missing


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Run a verb whose libraries an extra brings; say in one line what is wrong, if anything."""
    try:
        yield
    except UnshineError as error:
        sentence = str(error).replace("overwrite=True", "--overwrite")
        typer.echo(f"unshine: {sentence}", err=True)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("unshine"):
            raise
        typer.echo(f"unshine: {missing(error.name or '', extra)}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"unshine: {error.filename or ''} cannot be used: {error.strerror}.", err=True)
        raise typer.Exit(1) from None
