"""Where each image's results go, and what is settled when two would have one name."""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from unshine.jobs.inputs import PIPE, Source, fault

Existing = Literal["refuse", "skip", "overwrite"]
"""What becomes of files that are there already; to skip them is to make the others."""

EXCLUDE_ENDINGS = {"realityscan": ".mask.png", "colmap": ".png"}
"""What photogrammetry programs want behind an image's whole name."""


class Ending(NamedTuple):
    """What a result's name ends in, with the dot, and what is to be said about it, if anything."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Naming:
    """How results are named after their source."""

    target: Callable[[Source], Path] = lambda source: source.relative
    """From a source to the path of its result, as if its ending stayed."""
    ending: Callable[[Path], Ending] = lambda path: Ending(path.suffix)
    """From a source's path to its result's ending."""
    suffix: str = ""
    """Goes between a result's name and its ending."""
    layers: tuple[str, ...] = ()
    """Files beside the result, ``NAME_layer.png``."""
    exclude_ending: str = EXCLUDE_ENDINGS["realityscan"]
    """The layer ``exclude`` is called the result's whole name and this."""
    layered: Path | str | None = None
    """A layered file: its path, or what it is called behind its result's name."""


@dataclass(frozen=True)
class Job:
    """An image, and the files to be made of it."""

    source: Path
    target: Path
    layers: dict[str, Path] = field(default_factory=dict)
    layered: Path | None = None
    notes: tuple[str, ...] = ()
    """Sentences about how its files are named."""

    @property
    def outputs(self) -> list[Path]:
        """All files of the job, the result last."""
        layered = [] if self.layered is None else [self.layered]
        return [*self.layers.values(), *layered, self.target]


@dataclass
class Plan:
    """What is to be done."""

    jobs: list[Job] = field(default_factory=list)
    there: int = 0
    """How many images have all of their files already."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each image, or layer, that cannot be done."""


def plan(sources: Sequence[Source], naming: Naming, existing: Existing = "refuse") -> Plan:
    """Give every source its outputs, no two the same, and none an input.

    Where two results would have one name, the one whose own name it is keeps it. Another keeps its
    ending within the name (``a.jpg.png``), or the folder that it comes from, or gets a number.
    Layers are named after the whole name where the name without its ending is not theirs alone.

    Parameters
    ----------
    sources : sequence of Source
        The images.
    naming : Naming
        Where results go, their endings, suffix and layers.
    existing : {"refuse", "skip", "overwrite"}
        What becomes of outputs that exist.

    Returns
    -------
    Plan
        Jobs in the order of the sources.
    """
    made = Plan()
    jobs = _named(_without_earlier_results(sources, naming), naming, made.problems)
    inputs = {os.path.realpath(job.source) for job in jobs if job.source != PIPE}
    for job in jobs:
        if problem := fault(job.source) or _obstacle(job, inputs, existing):
            made.problems.append(problem)
        elif existing == "skip" and all(map(os.path.lexists, job.outputs)):
            made.there += 1
        else:
            made.jobs.append(job)
    return made


def _obstacle(job: Job, inputs: Collection[str], existing: Existing) -> str | None:
    """Say what is in the way of a job's outputs, if anything."""
    for path in job.outputs:
        if path == PIPE:
            continue
        if os.path.realpath(path) in inputs:
            return f"{job.source}: its output would replace the input {path}."
        if not os.path.lexists(path):
            continue
        if os.path.exists(path) and not os.path.isfile(path):
            kind = "folder" if os.path.isdir(path) else "device or pipe"
            return f"{job.source}: its output {path} is a {kind}."
        if existing == "refuse":
            return f"{job.source}: its output {path} exists already."
    return None


def _without_earlier_results(sources: Sequence[Source], naming: Naming) -> list[Source]:
    """Leave out what an earlier run wrote into the folder of its sources.

    With a suffix results may stand beside their sources; a folder then holds both.
    """
    if not naming.suffix:
        return list(sources)
    results = {_key(path) for job in _named(sources, naming, []) for path in job.outputs}
    return [source for source in sources if source.named or _key(source.path) not in results]


def _named(sources: Sequence[Source], naming: Naming, problems: list[str]) -> list[Job]:
    """Name the outputs of all sources; say which layers no name is left for."""
    endings = [naming.ending(source.path) for source in sources]
    wanted = []
    for source, ending in zip(sources, endings, strict=True):
        path = naming.target(source)
        wanted.append(path.with_name(path.stem + naming.suffix + ending.text))
    taken: set[str] = set()
    targets = dict.fromkeys(range(len(sources)), Path())
    # Results that keep their source's own ending come first.
    for index in sorted(targets, key=lambda i: wanted[i].suffix != sources[i].path.suffix):
        names = _names(wanted[index], sources[index].path)
        targets[index] = next(path for path in names if _key(path) not in taken)
        taken.add(_key(targets[index]))
    stems = Counter(_key(target.with_suffix("")) for target in targets.values())

    jobs = []
    for index, source in enumerate(sources):
        target, note = targets[index], endings[index].note
        if target != wanted[index]:
            note = f"{wanted[index]} is another image's result; this one's is {target}."
        notes = (f"{source.path}: {note}",) if note else ()
        alone = stems[_key(target.with_suffix(""))] == 1
        beside = _beside(target, naming, alone, taken)
        for name, path in list(beside.items()):
            if _key(path) in taken:
                problems.append(f"{source.path}: {path} is another image's; no {name} is written.")
                del beside[name]
            taken.add(_key(path))
        layered = beside.pop("layered file", None)
        jobs.append(Job(source.path, target, beside, layered, notes))
    return jobs


def _names(wanted: Path, source: Path) -> Iterator[Path]:
    """Yield the names that a result may have, the best first."""
    yield wanted
    if source.suffix != wanted.suffix:
        yield wanted.with_name(wanted.stem + source.suffix + wanted.suffix)
    if folder := Path(os.path.realpath(source)).parent.name:
        yield wanted.parent / folder / wanted.name
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}")


def _beside(target: Path, naming: Naming, alone: bool, taken: set[str]) -> dict[str, Path]:
    """Name the files beside a result."""

    def named(ending: str) -> Path:
        path = target.with_name(target.stem + ending)
        return path if alone and _key(path) not in taken else target.with_name(target.name + ending)

    beside = {layer: named(f"_{layer}.png") for layer in naming.layers}
    if "exclude" in beside:
        beside["exclude"] = target.with_name(target.name + naming.exclude_ending)
    if naming.layered is not None:
        given = naming.layered
        beside["layered file"] = given if isinstance(given, Path) else named(given)
    return beside


def _key(path: Path) -> str:
    """Return a path as its file system compares it."""
    return os.path.normcase(os.path.realpath(path.parent) + os.sep + path.name)
