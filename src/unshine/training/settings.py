"""Settings of one training run, whatever the framework; `unshine train` is made from the fields."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from unshine.errors import UnshineError
from unshine.training.recipes import UNSHINE, Recipe, option

PROCEDURAL, STAY = MADE = ("procedural", "stay")
"""What stands for tuples made during training among `Settings.data`: rendered scenes, and bright
things that are no highlights."""


@dataclass(frozen=True)
class Source:
    """Where some tuples of each batch come from."""

    kind: Literal["procedural", "stay", "tuples", "pool", "photos"]
    path: Path
    """Of no meaning for what is made during training."""
    count: int
    """How many of a batch."""


@dataclass(frozen=True)
class Settings:
    """One training run.

    Either `minutes` or `samples` says how long; the learning rate falls along a half cosine to
    its end, whichever it is.

    Raises
    ------
    UnshineError
        If settings contradict one another.

    Examples
    --------
    >>> from dataclasses import replace
    >>> settings = Settings(Path("run"), samples=64, recipe=replace(UNSHINE, batch=4))
    >>> [(source.kind, source.count) for source in settings.sources]
    [('procedural', 4)]
    """

    output: Path = option("Folder for weights, logs and sheets")
    minutes: float | None = option("How long to train, in minutes", None, min=0)
    samples: int | None = option("Or: on how many tuples", None, min=1)
    recipe: Recipe = UNSHINE
    data: tuple[str, ...] = option(
        "A folder or list of tuples (SSHR, SHIQ, PSD); or procedural or stay: made during training,"
        " scenes or bright things that must stay. May be given several times. Procedural if there"
        " is no other source",
        (),
    )
    pool: Path | None = option("A pool of rendered scenes, lit again for each batch", None)
    photos: Path | None = option("A folder of photographs, on which gloss is rendered", None)
    share: tuple[int, ...] = option(
        "Tuples of a batch from each source: data in their order, pool, photos. Even if left out",
        (),
        min=0,
    )
    relight: bool = option("Other gloss and exposure for stored tuples each time", False)
    augment: bool = option("Crop stored tuples anywhere, and mirror them", True)
    skip_bad: bool = option("Warn of bad stored tuples instead of stopping", False)
    workers: int | None = option(
        "Processes that read; as many as there are processors, up to 8, if left out", None, min=0
    )
    seed: int = option("Of everything that is random", 0, min=0)
    device: Literal["auto", "cpu", "cuda", "ascend"] = option(
        "Where to train: PyTorch on cpu or cuda, MindSpore on cpu or ascend", "auto"
    )
    precision: Literal["auto", "bf16", "32"] = option("Of the network's arithmetic", "auto")
    init: Path | None = option("Start from these weights, with a fresh optimiser", None)
    resume: Path | None = option(
        "Go on from a checkpoint folder, as if never stopped; or from weights", None
    )
    validate_on: Path | None = option("Score the images of this dataset as training goes on", None)
    checkpoint_minutes: float = option("Minutes between checkpoints, at most", 30.0, min=0)

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.samples is None):
            raise UnshineError("Say how long to train, in minutes or in samples: one of them.")
        if self.init and self.resume:
            raise UnshineError("init starts again and resume goes on: give one of them.")
        for name, choices in _CHOICES.items():
            if (chosen := getattr(self, name)) not in choices:
                known = ", ".join(choices)
                raise UnshineError(f"There is no {name} {chosen!r}; choose one of {known}.")
        if self.relight and not self.of_kind("tuples"):
            raise UnshineError("Only tuples on disk can be lit again (relight); name some as data.")
        if self.photos and self.recipe.as_stored:
            raise UnshineError("TSHRNet learns albedo and shading, which photographs do not tell.")
        counts = [source.count for source in self.sources]
        if len(self.share) not in (0, len(counts)):
            raise UnshineError(
                f"There are {len(counts)} sources of tuples and {len(self.share)} shares of a"
                " batch; give one for each."
            )
        if sum(counts) != self.recipe.batch or min(counts) < 1:
            raise UnshineError(
                f"Each of the {len(counts)} sources needs a share of the batch, {self.recipe.batch}"
                " tuples in all."
            )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the tuples of a batch come from, and how many from each."""
        found: list[tuple[Any, Path]] = [
            (data if data in MADE else "tuples", Path(data)) for data in self.data
        ]
        found += [("pool", self.pool)] if self.pool else []
        found += [("photos", self.photos)] if self.photos else []
        found = found or [(PROCEDURAL, Path(PROCEDURAL))]
        batch, count = self.recipe.batch, len(found)
        # The last ones take what does not divide.
        even = (batch * (k + 1) // count - batch * k // count for k in range(count))
        return tuple(
            Source(kind, path, share)
            for (kind, path), share in zip(found, self.share or even, strict=False)
        )

    def of_kind(self, *kinds: str) -> tuple[Source, ...]:
        """Return the sources of some kinds."""
        return tuple(source for source in self.sources if source.kind in kinds)

    @property
    def readers(self) -> int:
        """How many processes read."""
        if self.workers is not None:
            return self.workers
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return min(8, cpus or 1)

    def as_text(self) -> dict[str, Any]:
        """Return what a checkpoint says of its run."""
        return {field.name: str(getattr(self, field.name)) for field in fields(self)}


_CHOICES = {
    name: get_args(kind)
    for name, kind in get_type_hints(Settings).items()
    if name in ("device", "precision")
}
