"""`unshine export`: weights in the form that another program takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unshine.cli import options
from unshine.cli.extras import needs

if TYPE_CHECKING:
    from unshine.networks.weights import Weights

ENDINGS = ("safetensors", "onnx", "mindir", "pth", "ckpt")


def export(
    target: Annotated[
        Path,
        typer.Option(
            "-o", "--out", help="A file ending in .safetensors, .onnx, .mindir, .pth or .ckpt."
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Weights: a file, or a folder with the four published ones; without it, ours.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Literal["pth", "ckpt"] | None,
        typer.Option("--format", help="OUT is a folder for TSHRNet's four files."),
    ] = None,
    variant: options.Variant = None,
    size: Annotated[
        int, typer.Option(min=1, help="Height and width of the images that a MindIR takes.")
    ] = 256,
    overwrite: options.Overwrite = False,
) -> None:
    """Convert weights: safetensors, ONNX, MindIR, the published TSHRNet files."""
    ending = target.suffix.removeprefix(".")
    if form is None and ending not in ENDINGS:
        raise typer.BadParameter(
            f"{target} must end in {', '.join('.' + x for x in ENDINGS)}, or --format must be"
            " given.",
            param_hint="--out",
        )
    with needs("train"):
        from unshine.errors import UnshineError
        from unshine.networks import SHIPPED
        from unshine.networks import export as to
        from unshine.networks.weights import read_weights

        weights = read_weights(source or SHIPPED, variant)
        written = [target]
        beside = to.beside(target, weights) if ending == "onnx" else None
        if beside and beside != source:
            written.append(beside)
        for path in written:
            used = any(path.iterdir()) if form and path.is_dir() else path.exists()
            if used and not overwrite:
                raise UnshineError(f"{path} exists; add --overwrite to replace it.")
        if form:
            to.write_published(target, weights, form)
            nearness = ""
        else:
            nearness = _write(target, weights, ending, size)
    kind = [weights.architecture.TITLE, weights.variant]
    typer.echo(f"{target}: {', '.join(word for word in kind if word)}{nearness}")


def _write(target: Path, weights: "Weights", ending: str, size: int) -> str:
    """Write one file of weights; say how near a graph comes to the framework it was made in."""
    from unshine.networks import export as to
    from unshine.networks.weights import write_weights

    if ending == "onnx":
        return f"; within {to.write_onnx(target, weights):.1g} of PyTorch"
    if ending == "mindir":
        return f"; within {to.write_mindir(target, weights, size):.1g} of MindSpore"
    if ending == "safetensors":
        write_weights(target, weights)
    else:
        to.write_checkpoint(target, weights, ending)
    return ""
