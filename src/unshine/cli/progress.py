"""The progress bar of the verbs that work on many images."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


def columns(unit: str) -> "list[ProgressColumn]":
    """Return a bar's columns: how many of how many, how many a second, how long it will take.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.2g} {unit}/s" if speed else "")

    text = TextColumn("{task.description}")
    return [text, BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
