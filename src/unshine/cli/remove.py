"""`unshine remove`: files, folders and globs in, the same pictures without highlights out."""

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from unshine.errors import UnshineError

if TYPE_CHECKING:
    from unshine.remover import Remover

Fail = Callable[[object], None]
"""Reports one input that failed."""

Clean = Callable[[Any, float], Any]
"""From pixels and a strength to pixels without highlights."""

LAYERS = ("albedo", "shading", "diffuse", "specular", "mask")


@dataclass(frozen=True)
class Job:
    """A picture, and the files to be made of it."""

    source: Path
    target: Path
    layers: dict[str, Path]


def remove(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Pictures, folders of pictures, globs.")
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="A file for one picture, a folder for several."),
    ],
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the correction to apply.")
    ] = 1.0,
    save: Annotated[
        str,
        typer.Option(
            metavar="LAYERS", help=f"Write layers beside the result: any of {','.join(LAYERS)}."
        ),
    ] = "",
    engine: Annotated[
        Literal["onnx", "torch", "mindspore"], typer.Option(help="Who runs the network.")
    ] = "onnx",
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps", "ascend"], typer.Option(help="Where it runs.")
    ] = "auto",
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Other weights than the shipped ones: an ONNX or safetensors file, or a folder"
            " with TSHRNet's published checkpoints."
        ),
    ] = None,
    variant: Annotated[
        Literal["published", "physical", "mixed"] | None,
        typer.Option(help="Which TSHRNet the weights are for, where they do not say."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A classical method, such as shen2013, instead."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Remove the highlights of photographs.

    Exit status: 0 all done, 1 some inputs failed (named, the rest done), 2 wrong usage.
    """
    names = [name.strip() for name in save.split(",") if name.strip()]
    if unknown := [name for name in names if name not in LAYERS]:
        raise typer.BadParameter(
            f"there is no layer {unknown[0]!r}; choose from {', '.join(LAYERS)}.",
            param_hint="--save",
        )
    if method and names:
        raise typer.BadParameter("classical methods have no layers.", param_hint="--save")

    failures = 0

    def fail(sentence: object) -> None:
        nonlocal failures
        failures += 1
        # Not typer.echo, which would write past a progress bar that has taken stderr over.
        sys.stderr.write(f"unshine: {sentence}\n")

    sources, several = _find(inputs, fail)
    targets = _targets(sources, several, out)
    jobs = list(_jobs(sources, targets, names, overwrite, fail))
    if jobs:
        try:
            if several:
                out.mkdir(parents=True, exist_ok=True)
            clean: Clean
            if method:
                clean, remover = _classical(method), None
            else:
                from unshine.remover import Remover

                remover = Remover(engine, device, weights, variant=variant)
                clean = remover.remove
        except UnshineError as error:
            fail(error)
            raise typer.Exit(1) from None
        except ImportError as error:
            package = '"unshine[bench]"' if method else error.name
            fail(f"{error.name} is missing; install it with: pip install {package}")
            raise typer.Exit(1) from None
        except OSError as error:
            fail(f"{out}: the folder cannot be made ({error.strerror}).")
            raise typer.Exit(1) from None
    for job in _progress(jobs):
        try:
            _run(job, clean, remover, strength, overwrite)
        except UnshineError as error:
            fail(error)
        except MemoryError:
            fail(f"{job.source}: there is not enough memory for this picture.")
        except Exception as error:  # one picture must not stop the ten thousand after it
            reason = " ".join(str(error).split())
            fail(f"{job.source}: this picture failed ({type(error).__name__}: {reason}).")
    if failures:
        raise typer.Exit(1)


def _find(inputs: list[str], fail: Fail) -> tuple[list[Path], bool]:
    """Turn files, folders and globs into pictures, each once; say if a folder must come out."""
    from unshine.io.stills import FORMATS

    found: dict[str, Path] = {}
    several = len(inputs) > 1
    for name in inputs:
        # os.path, since pathlib's tests raise where a folder on the way may not be entered.
        if os.path.isdir(name):
            several = True
            try:
                entries = sorted(Path(name).iterdir())
            except OSError as error:
                fail(f"{name}: the folder cannot be read ({error.strerror}).")
                continue
            pictures = [
                entry
                for entry in entries
                if entry.suffix.lower() in FORMATS
                and not entry.name.startswith(".")
                and not os.path.isdir(entry)
            ]
            if not pictures:
                fail(f"{name}: the folder holds no pictures ({', '.join(FORMATS)}).")
        elif os.path.lexists(name) or not glob.has_magic(name):
            pictures = [Path(name)]
        else:
            several = True
            matches = sorted(glob.glob(name, recursive=True))
            pictures = [Path(match) for match in matches if not os.path.isdir(match)]
            if not pictures:
                fail(f"{name}: no file has such a name.")
        for picture in pictures:
            found.setdefault(os.path.realpath(picture), picture)
    return list(found.values()), several


def _targets(sources: list[Path], several: bool, out: Path) -> list[Path]:
    """Say where each picture goes; names that cannot be meant are wrong usage."""
    from unshine.io.stills import FORMATS

    folder = os.path.isdir(out)
    if several and not folder and (os.path.lexists(out) or out.suffix.lower() in FORMATS):
        raise typer.BadParameter(
            f"{out} is not a folder; several pictures need one.", param_hint="--out"
        )
    if several or folder:
        return [out / source.name for source in sources]
    if out.suffix.lower() not in FORMATS:
        raise typer.BadParameter(
            f"{out} must be a folder that exists, or end in one of {', '.join(FORMATS)}.",
            param_hint="--out",
        )
    return [out for _ in sources]


def _jobs(
    sources: list[Path], targets: list[Path], names: list[str], overwrite: bool, fail: Fail
) -> Iterator[Job]:
    """Yield what can be done; refuse what would overwrite an input, a result or another file."""
    inputs = {os.path.realpath(source) for source in sources}
    taken: dict[str, Path] = {}
    for source, target in zip(sources, targets, strict=True):
        layers = {name: target.with_name(f"{target.stem}_{name}.png") for name in names}
        outputs = [target, *layers.values()]
        resolved = [os.path.realpath(path) for path in outputs]
        if any(path in inputs for path in resolved):
            fail(f"{source}: the output would replace an input; choose another --out.")
        elif clash := [path for path in resolved if path in taken]:
            other = taken[clash[0]]
            fail(f"{source}: its output has the same name as that of {other}; rename one of them.")
        elif not overwrite and (there := [path for path in outputs if os.path.lexists(path)]):
            fail(f"{source}: {there[0]} exists already; add --overwrite to replace it.")
        else:
            taken.update(dict.fromkeys(resolved, source))
            yield Job(source, target, layers)


def _classical(name: str) -> Clean:
    from functools import partial

    from unshine import classical

    if name not in classical.METHODS:
        known = ", ".join(classical.METHODS)
        raise UnshineError(f"There is no method {name!r}; choose from {known}.")
    return partial(classical.apply, name)


def _run(
    job: Job, clean: Clean, remover: "Remover | None", strength: float, overwrite: bool
) -> None:
    """Read one picture, remove its highlights and write the result and the layers."""
    import numpy as np

    from unshine import optics
    from unshine.io import stills

    still = stills.read(job.source)
    stills.format_of(job.target)  # before the work is done, not after
    pixels = stills.for_display(still)
    result = stills.with_display(still, clean(pixels, strength))
    if job.layers and remover:
        fields = {name: "highlight" if name == "mask" else name for name in job.layers}
        layers = remover.layers(pixels, list(fields.values()))
        for name, path in job.layers.items():
            layer = layers[fields[name]]
            if name in ("shading", "specular"):
                layer = optics.encode(layer)
            values = np.rint(layer.clip(0, 1) * 255).astype(np.uint8)
            # The picture's profile holds for its layers too; the mask has no colours.
            profile = None if name == "mask" else still.metadata.icc_profile
            stills.write(
                stills.Still(values, metadata=stills.Metadata(icc_profile=profile)), path, overwrite
            )
    # Last, so that a result which is there means that all of it is there.
    stills.write(result, job.target, overwrite)


def _progress(jobs: list[Job]) -> Iterable[Job]:
    """Show a bar on a terminal when there is more than one picture."""
    if len(jobs) < 2 or not sys.stderr.isatty():
        return jobs
    from rich.console import Console
    from rich.progress import track

    return track(jobs, "Removing highlights", console=Console(stderr=True))
