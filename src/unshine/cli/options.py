"""The options that several verbs share, each said once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

MOST_JOBS = 8
"""Images at a time unless more are asked for: each takes up to a gigabyte of memory."""

Strength = Annotated[float, typer.Option(min=0, max=1, help="How much of the correction to apply.")]
Sensitivity = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="How readily something counts as a highlight: 0 nothing, 1 everything."
    ),
]
Engine = Annotated[
    Literal["onnx", "torch", "mindspore"], typer.Option(help="Who runs the network.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps", "ascend"], typer.Option(help="Where it runs.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Other weights than the shipped ones: an ONNX or safetensors file, or a folder"
        " with TSHRNet's published checkpoints."
    ),
]
Variant = Annotated[
    Literal["published", "physical", "mixed"] | None,
    typer.Option(help="Which TSHRNet the weights are for, where they do not say."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--jobs",
        min=1,
        metavar="N",
        help="Processors to keep busy, with an image each; if left out all, but at most 8.",
    ),
]
