"""What came of a job, and of all of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from unshine.jobs.plan import Job

EXCLUDED_AT_MOST = 0.12
"""Share of an image whose loss photogrammetry hardly minds; beyond it, surfaces get holes."""


@dataclass(frozen=True)
class Outcome:
    """What came of one job."""

    job: Job
    status: Literal["done", "unchanged", "failed"]
    messages: tuple[str, ...] = ()
    """Sentences: why it failed, or what of the file could not be kept."""
    excluded: float | None = None
    """The share of the image that the layer ``exclude`` excludes."""


@dataclass
class Tally:
    """How many images came to what.

    Examples
    --------
    >>> tally = Tally(done=3, there=3120, left_out=Counter({".txt": 2, ".mov": 1}))
    >>> print(tally)
    3 done, 3,120 were there already, 3 left out (2 .txt, 1 .mov)
    """

    done: int = 0
    unchanged: int = 0
    there: int = 0
    failed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Files that are no images, by their endings."""
    folders: int = 0
    """Folders that were not looked into."""
    excluded: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        setattr(self, outcome.status, getattr(self, outcome.status) + 1)
        if outcome.excluded is not None:
            self.excluded.append(outcome.excluded)

    def __str__(self) -> str:
        endings = ", ".join(f"{n:,} {ending}" for ending, n in self.left_out.most_common())
        some = "a folder" if self.folders == 1 else f"{self.folders:,} folders"
        parts = {
            f"{self.done:,} done": True,
            f"{self.unchanged:,} unchanged": self.unchanged,
            f"{self.there:,} {'was' if self.there == 1 else 'were'} there already": self.there,
            f"{self.left_out.total():,} left out ({endings})": self.left_out,
            f"{some} not looked into": self.folders,
            f"{self.failed:,} failed": self.failed,
        }
        return ", ".join(part for part, wanted in parts.items() if wanted)
