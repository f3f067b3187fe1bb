"""One job: read an image, remove its highlights, write what is wanted of it."""

import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine import extras, files, optics, pixels
from unshine.errors import UnshineError
from unshine.io import layered, stills
from unshine.io.model import upright
from unshine.jobs.inputs import PIPE, is_pipe
from unshine.jobs.marks import Marks
from unshine.jobs.outcome import EXCLUDED_AT_MOST, Outcome
from unshine.jobs.plan import Existing, Job
from unshine.pixels import Floats
from unshine.remover import Remover
from unshine.tiling import TiledAnalysis

CERTAIN = 0.5
"""From this value of the highlight map on, a pixel is excluded from photogrammetry."""


@dataclass(frozen=True)
class RemoverSettings:
    """Who removes highlights: the parameters of `Remover`, or a classical method's name."""

    engine: str = "onnx"
    device: str = "auto"
    weights: Path | None = None
    variant: str | None = None
    method: str | None = None
    tiles: bool = False
    """Whether it sees images at their full resolution, piece by piece."""
    threads: int | None = None
    """Processors for one image; all if left out."""

    def load(self) -> Callable[[NDArray[Any]], Any]:
        """Return what turns an image into its `Analysis`.

        Raises
        ------
        UnshineError
            If the engine, the device, the weights or the method are not to be had.
        """
        if self.method is not None:
            methods = extras.load("unshine.classical", "bench").METHODS
            if self.method not in methods:
                known = ", ".join(methods)
                raise UnshineError(f"There is no method {self.method!r}; choose from {known}.")
            return partial(_Classical, self.method)
        remover = Remover(
            self.engine, self.device, self.weights, variant=self.variant, threads=self.threads
        )
        return partial(TiledAnalysis, remover) if self.tiles else remover.analyse


@dataclass(frozen=True)
class JobSettings:
    """How images are worked on, and what is written of them."""

    network: RemoverSettings = field(default_factory=RemoverSettings)
    strength: float = 1.0
    sensitivity: float = 0.5
    mask: Path | None = None
    """An image that is white where highlights are, black where there are none."""
    protect: Path | None = None
    """An image that is white where nothing may change."""
    kind: stills.Kind | None = None
    """The kind of file to write, if it is not to be told by the target's name."""
    quality: int | None = None
    bit_depth: int | None = None
    keep_time: bool | None = False
    """Whether results get the modification time of their source."""
    max_pixels: int | None = None
    """The most pixels of an image; if left out, as many as `stills.read` takes."""
    existing: Existing = "refuse"
    """What becomes of files that exist; to skip them is to write the others."""


class Worker:
    """Does jobs; load once, call often, from any thread.

    Parameters
    ----------
    settings : JobSettings
        How images are worked on.

    Raises
    ------
    UnshineError
        If the network, the mask or what to protect cannot be loaded.
    """

    def __init__(self, settings: JobSettings) -> None:
        self.settings = settings
        self.marks = Marks(settings.mask, settings.protect)
        self.analyse = settings.network.load()

    def __call__(self, job: Job) -> Outcome:
        """Do one job; whatever goes wrong is said in its outcome."""
        try:
            return self._do(job)
        except UnshineError as error:
            sentence = str(error)
            # Those who do not know of files speak of the image only.
            if not sentence.startswith((str(job.source), *map(str, job.outputs))):
                sentence = f"{job.source}: {sentence}"
        except MemoryError:
            sentence = f"{job.source}: there is not enough memory for this image."
        except Exception as error:  # one image must not stop the ten thousand after it
            reason = " ".join(str(error).split())
            sentence = f"{job.source}: this image failed ({type(error).__name__}: {reason})."
        return Outcome(job, "failed", (sentence,))

    def _do(self, job: Job) -> Outcome:
        settings = self.settings
        limit = settings.max_pixels or stills.MAX_PIXELS
        still = stills.read(_content(job.source), limit, name=str(job.source))
        if job.target != PIPE:
            if settings.kind is None and "exclude" not in job.layers:
                stills.format_of(job.target)  # before the work is done, not after
            make_folder(job.target.parent)
        analysis = self.analyse(stills.for_display(still))
        mask = self.marks.of_size(still.size)
        self._write_layers(job, still, analysis, mask)
        if "exclude" in job.layers and job.layered is None:
            return self._exclude(job, still, analysis, mask)
        clean = analysis.clean(settings.strength, settings.sensitivity, mask)
        if job.layered is not None and not self._stays(job.layered):
            self._write_layered(job.layered, still, analysis, clean, mask)
        if "exclude" in job.layers:
            return self._exclude(job, still, analysis, mask)
        result = stills.with_display(still, clean)
        del analysis, clean
        saved = self._write(result, job)
        lost = f"{job.source}: not kept: {', '.join(saved.lost)}." if saved.lost else ""
        messages = (*job.notes, lost) if lost else job.notes
        return Outcome(job, "unchanged" if saved.copied else "done", messages)

    def _write(self, still: stills.Still, job: Job) -> stills.Saved:
        """Write the result unless it is there already and may stay."""
        settings = self.settings
        path, kind, depth = job.target, settings.kind, settings.bit_depth
        if path == PIPE:
            data = stills.encode(still, kind, quality=settings.quality, bit_depth=depth)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return stills.Saved((), False)
        if self._stays(path):
            return stills.Saved((), False)
        if job.layers and depth not in stills.depths_of(kind or stills.format_of(path)):
            depth = None  # it is meant for the layers
        return stills.write(
            still,
            path,
            settings.existing == "overwrite",
            format=kind,
            quality=settings.quality,
            bit_depth=depth,
            source_time=bool(settings.keep_time),
        )

    def _stays(self, path: Path) -> bool:
        """Say if a file is there already and to be left as it is."""
        return self.settings.existing == "skip" and os.path.lexists(path)

    def _write_layers(
        self, job: Job, still: stills.Still, analysis: Any, mask: Floats | None
    ) -> None:
        """Write the layers that are wanted beside the result."""
        dtype = np.dtype(np.uint16 if (self.settings.bit_depth or 8) > 8 else np.uint8)
        for name, path in job.layers.items():
            if name == "exclude" or self._stays(path):
                continue
            if name == "mask":
                values = analysis.highlight(self.settings.sensitivity, mask)
            else:
                values = optics.displayed(name, analysis.layer(name)).clip(0, 1)
            # The image's profile holds for its layers too; the mask has no colours.
            profile = None if name == "mask" else still.metadata.icc_profile
            shown = stills.Still(
                pixels.from_display(values, dtype), metadata=stills.Metadata(icc_profile=profile)
            )
            stills.write(shown, path, self.settings.existing == "overwrite")

    def _write_layered(
        self,
        path: Path,
        still: stills.Still,
        analysis: Any,
        clean: NDArray[Any],
        mask: Floats | None,
    ) -> None:
        """Write all layers that the network gives into one file, in linear light."""
        found = {}
        for name in ("albedo", "shading", "diffuse", "specular"):
            with suppress(UnshineError):  # not every network tells albedo and shading apart
                found[name] = optics.linearised(name, analysis.layer(name))
        found["clean"] = optics.linearised("clean", pixels.to_display(pixels.rgb(clean)))
        found["highlight"] = analysis.highlight(self.settings.sensitivity, mask)
        make_folder(path.parent)
        overwrite = self.settings.existing == "overwrite"
        layered.write(found, path, overwrite, profile=still.metadata.icc_profile)

    def _exclude(
        self, job: Job, still: stills.Still, analysis: Any, mask: Floats | None
    ) -> Outcome:
        """Write a mask for photogrammetry, and the original as it is beside it."""
        excluded = analysis.highlight(self.settings.sensitivity, mask) >= CERTAIN
        turned = still.source.turned if still.source else 1
        kept = np.where(_as_stored(excluded, turned), 0, 255).astype(np.uint8)
        drawn = stills.Still(kept, metadata=stills.Metadata(exif=_turning(turned)))
        overwrite = self.settings.existing == "overwrite"
        if not self._stays(job.layers["exclude"]):
            stills.write(drawn, job.layers["exclude"], overwrite)
        if not self._stays(job.target):
            with files.writing(job.target, overwrite) as temporary:
                original = still.source.data if still.source else None
                temporary.write_bytes(original or job.source.read_bytes())
                if self.settings.keep_time:
                    stills.keep_time(still, temporary)
        share = float(excluded.mean())
        messages = job.notes
        if share > EXCLUDED_AT_MOST:
            sentence = (
                f"{job.source}: {100 * share:.0f} % of it is excluded, which may leave holes."
            )
            messages = (*messages, sentence)
        return Outcome(job, "done", messages, share)


class _Classical:
    """A classical method's answer to an image, asked like an `Analysis`."""

    def __init__(self, method: str, image: NDArray[Any]) -> None:
        self.method, self.image = method, image

    def clean(self, strength: float, sensitivity: float, mask: Any) -> NDArray[Any]:
        from unshine import classical

        return classical.apply(self.method, self.image, strength)


@cache
def worker_of(settings: JobSettings) -> Worker:
    """Return this process's worker for some settings, made with the first job that needs it."""
    return Worker(settings)


def _content(path: Path) -> Path | bytes:
    """Return a file to read, or everything that comes through a pipe."""
    if path == PIPE:
        return sys.stdin.buffer.read()
    return path.read_bytes() if is_pipe(path) else path


def make_folder(folder: Path) -> None:
    """Make a folder of results, and those above it, unless it is there.

    Raises
    ------
    UnshineError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnshineError(f"{folder}: the folder cannot be made ({error.strerror}).") from None


def _as_stored(array: NDArray[Any], turned: int) -> NDArray[Any]:
    """Turn an upright image back as its file stores it."""
    inverse = {6: 8, 8: 6}.get(turned, turned)
    return upright(array, inverse)


def _turning(turned: int) -> bytes | None:
    """Return an EXIF block that says how an image lies, and nothing else."""
    if turned == 1:
        return None
    # One directory of one entry: the orientation (274), one short number.
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, turned, 0, 0)
