"""`unshine train`: train the network on tuples made as it goes."""

from pathlib import Path
from typing import Annotated

import typer

from unshine.cli.extras import needs


def train(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for weights, logs, sheets.")],
    minutes: Annotated[float | None, typer.Option(min=0, help="How long to train.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Or: on how many tuples.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Tuples a step, on each process.")] = 8,
    size: Annotated[int, typer.Option(min=32, help="Height and width of the tuples.")] = 128,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or 32.")] = "auto",
    init: Annotated[
        Path | None, typer.Option(help="Start from these weights, with a fresh optimiser.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on from a checkpoint folder, as if never stopped.")
    ] = None,
    validate_on: Annotated[
        Path | None, typer.Option(help="Also score a folder of MIT Intrinsic objects.")
    ] = None,
) -> None:
    """Train the network; under torchrun on several processes."""
    with needs("train"):
        from unshine.training.loop import Settings
        from unshine.training.loop import train as run

        settings = Settings(
            output=out,
            minutes=minutes,
            samples=samples,
            batch=batch,
            size=size,
            rate=rate,
            seed=seed,
            device=device,
            precision=precision,
            init=init,
            resume=resume,
            validate_on=validate_on,
        )
        weights = run(settings)
    typer.echo(f"The weights are in {weights}.")
