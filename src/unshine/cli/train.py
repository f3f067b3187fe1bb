"""`unshine train`: train a network, on tuples made as it goes or on a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from unshine.cli.extras import needs


def train(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for weights, logs, sheets.")],
    minutes: Annotated[float | None, typer.Option(min=0, help="How long to train.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Or: on how many tuples.")] = None,
    backend: Annotated[str, typer.Option(help="torch or mindspore.")] = "torch",
    recipe: Annotated[
        str, typer.Option(help="unshine: our network. paper: TSHRNet as its authors train it.")
    ] = "unshine",
    variant: Annotated[
        str, typer.Option(help="TSHRNet's: published, physical, or mixed (no albedo, no shading).")
    ] = "published",
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder or list of tuples (SSHR, SHIQ, PSD), or procedural: made as it goes."
            " Several share each batch evenly."
        ),
    ] = None,
    relight: Annotated[
        bool,
        typer.Option("--relight", help="Other gloss and exposure for stored tuples each time."),
    ] = False,
    augment: Annotated[
        bool, typer.Option(help="Mirror stored tuples, and cut them out anywhere.")
    ] = True,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Warn of bad stored tuples instead of stopping.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Tuples a step, on each process; 8, paper 16.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=32, help="Height and width of the tuples; 128, paper 256.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="Learning rate; 0.001, paper 0.0001.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; with MindSpore auto, cpu or ascend.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or 32.")] = "auto",
    init: Annotated[
        Path | None, typer.Option(help="Start from these weights, with a fresh optimiser.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on from a checkpoint folder, as if never stopped; or from weights."),
    ] = None,
    validate_on: Annotated[
        Path | None, typer.Option(help="Score the pictures of this dataset as training goes on.")
    ] = None,
    validations: Annotated[
        int | None, typer.Option(min=1, help="How often to validate and save; 20, paper 10.")
    ] = None,
) -> None:
    """Train a network; under torchrun or msrun on several processes."""
    if backend not in ("torch", "mindspore"):
        raise typer.BadParameter(f"there is no backend {backend!r}; choose torch or mindspore.")
    with needs("train" if backend == "torch" else "mindspore"):
        from unshine.training.settings import Settings, defaults

        given = {
            "output": out,
            "minutes": minutes,
            "samples": samples,
            "recipe": recipe,
            "variant": variant,
            "data": tuple(data) if data else None,
            "relight": relight,
            "augment": augment,
            "skip_bad": skip_bad,
            "workers": workers,
            "batch": batch,
            "size": size,
            "rate": rate,
            "seed": seed,
            "device": device,
            "precision": precision,
            "init": init,
            "resume": resume,
            "validate_on": validate_on,
            "validations": validations,
        }
        said = {name: value for name, value in given.items() if value is not None}
        settings = Settings(**(defaults(recipe) | said))
        if backend == "torch":
            from unshine.training import loop

            weights = loop.train(settings)
        else:
            from unshine.training import mindspore

            weights = mindspore.train(settings)
    typer.echo(f"The weights are in {weights}.")
