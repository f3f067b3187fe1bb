"""The progress bar of the verbs that work on many images."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def bar(unit: str, per_hour: bool = False) -> "Progress":
    """Make a bar for terminals, on stderr: how many of how many, how fast, how long it will take.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    per_hour : bool
        Whether the rate is an hour's, not a second's. It is averaged over ten minutes then, since
        what is that slow takes very different times.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed * 3600:.0f}/h" if per_hour else f"{speed:.2g} {unit}/s")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        speed_estimate_period=600 if per_hour else 30,
    )
