"""What one training run is told, whatever the framework."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from unshine.errors import UnshineError
from unshine.networks.tshrnet import VARIANTS, WIDTH, Variant

Recipe = Literal["unshine", "paper"]
"""`unshine` trains our three-stage network, `paper` TSHRNet with its five mean squared errors and
Adam; its pictures are a multiple of 256 pixels wide and high."""

PROCEDURAL = "procedural"
"""What stands for tuples made as it goes among `Settings.data`."""

Target = Literal["tuples", "scene", "paper", "mixed"]
"""What becomes of a tuple on disk: our network's truth, a scene to be lit anew, or the truth of
TSHRNet with albedo and shading or without."""

FIELDS: dict[Target, tuple[str, ...]] = {
    "tuples": (
        "image", "albedo", "shading", "specular", "diffuse", "clean", "highlight", "mask",
    ),
    "scene": ("albedo", "diffuse", "specular", "mask"),
    "paper": ("image", "albedo", "shading", "specular", "diffuse", "clean"),
    "mixed": ("image", "albedo", "shading", "specular", "diffuse", "clean"),
}  # fmt: skip
"""The arrays of each target, (B, C, H, W): those of `synth.camera.Tuples` and
`synth.procedural.Scene`, and display values for the paper."""


@dataclass(frozen=True)
class Settings:
    """One training run.

    Either `minutes` or `samples` says how long; the learning rate falls along a half cosine to
    its end, whichever it is.
    """

    output: Path
    minutes: float | None = None
    samples: int | None = None
    recipe: Recipe = "unshine"
    variant: Variant = "published"
    """Of TSHRNet; for the paper's recipe alone."""
    width: int = WIDTH
    """TSHRNet's channels at half resolution; only tests need others than the paper's."""
    data: tuple[str, ...] = (PROCEDURAL,)
    """Folders or lists of tuples; `PROCEDURAL` may be one of them. Each has an even share."""
    relight: bool = False
    """Whether tuples on disk get other gloss, exposure and a camera's marks each time."""
    augment: bool = True
    """Whether tuples on disk are mirrored and cut out anywhere."""
    skip_bad: bool = False
    workers: int | None = None
    """Processes that read; as many as there are processors, up to 8, if left out."""
    batch: int = 8
    size: int = 128
    rate: float = 1e-3
    warmup: int = 200
    averaging: float = 0.999
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    init: Path | None = None
    resume: Path | None = None
    validate_on: Path | None = None
    validations: int = 20

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.samples is None):
            raise UnshineError("Say how long to train: --minutes or --samples, one of them.")
        if self.init and self.resume:
            raise UnshineError("--init starts anew and --resume goes on: give one of them.")
        if self.recipe not in get_args(Recipe):
            raise UnshineError(f"There is no recipe {self.recipe!r}; choose unshine or paper.")
        if self.variant not in VARIANTS:
            known = ", ".join(VARIANTS)
            raise UnshineError(f"There is no variant {self.variant!r}; choose from {known}.")
        if self.recipe == "paper" and self.size % 256:
            raise UnshineError("TSHRNet needs --size 256, or a multiple of it.")
        if self.variant != "published" and self.recipe != "paper":
            raise UnshineError("--variant is TSHRNet's; give --recipe paper too.")
        if self.relight and self.folders == ():
            raise UnshineError("--relight is for tuples on disk; name them with --data.")
        if self.precision not in ("auto", "bf16", "32"):
            raise UnshineError(f"There is no precision {self.precision!r}; choose bf16 or 32.")
        if not 1 <= len(self.data) <= self.batch:
            raise UnshineError("A batch must have room for each dataset; give a larger --batch.")

    @property
    def folders(self) -> tuple[Path, ...]:
        """The datasets on disk."""
        return tuple(Path(data) for data in self.data if data != PROCEDURAL)

    @property
    def procedural(self) -> int:
        """How many tuples of a batch are made as it goes."""
        return self.batch * self.data.count(PROCEDURAL) // len(self.data)

    @property
    def readers(self) -> int:
        """How many processes read."""
        if self.workers is not None:
            return self.workers
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return min(8, cpus or 1)

    @property
    def target(self) -> Target:
        """What the network is trained towards."""
        if self.recipe == "unshine":
            return "tuples"
        return "mixed" if self.variant == "mixed" else "paper"


def defaults(recipe: str) -> dict[str, Any]:
    """Settings that are the paper's own with its recipe."""
    if recipe == "paper":
        return {"batch": 16, "size": 256, "rate": 1e-4, "warmup": 1, "validations": 10}
    return {}


def learning_rate(done: float, step: int, warmup: int) -> float:
    """Share of the full rate: a linear warm-up, then half a cosine down to 1 %."""
    cosine = 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
    return min(1.0, (step + 1) / warmup) * cosine
