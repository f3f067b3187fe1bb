"""The jobs of path tracing: a dataset's settings, a worker's job, a tuple's outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from unshine.layers import SUFFIX
from unshine.synth.assets import Assets, Licence
from unshine.synth.splits import WantedSplit

if TYPE_CHECKING:
    from unshine.synth.blender import Rendered

ImageFormat = Literal["png", "jpg"]


@dataclass(frozen=True)
class RenderSettings:
    """What decides the bytes of a dataset, but for how many tuples it has."""

    size: int = 256
    """Height and width, in pixels."""
    seed: int = 0
    """Other seeds make other tuples."""
    samples: int = 144
    """Paths traced a pixel, at most; with 144, 600 tuples an hour on two processors."""
    licence: Licence = "any"
    """Which of the fetched assets to use."""
    split: WantedSplit = "all"
    """Whose meshes to use."""
    format: ImageFormat = "png"
    """What the 8-bit layers are stored as; masks are PNG files always."""
    quality: int = 92
    """Of JPEG files, up to 100."""
    layers: tuple[str, ...] = tuple(SUFFIX.values())
    """Suffixes of the layers to write, in this order."""
    linear: bool = False
    """Whether to write masters, too: linear half-float EXR."""

    @property
    def exposed(self) -> bool:
        """Whether there is a layer that shows the scene's exposure."""
        return not {"i", "d", "d_tc"}.isdisjoint(self.layers)


@dataclass(frozen=True)
class Sources:
    """Where the assets are on this machine; None is the default cache, and no own folder."""

    cache: Path | None = None
    meshes: Path | None = None
    hdris: Path | None = None
    textures: Path | None = None


Renderer = Callable[[Assets, int, int, int, int], "Rendered"]
"""`synth.blender.render_tuple`: from assets, seed, index, size and samples to a tuple."""


@dataclass(frozen=True)
class RenderJob:
    """What a worker needs to know; small, so that it travels."""

    folder: Path
    settings: RenderSettings
    sources: Sources
    assets: str
    """`assets.fingerprint` of what the dataset is made of."""
    renderer: Renderer | None = None
    """A stand-in for Cycles."""
    one_thread: bool = False
    """Whether to render with one thread, since others work on the same machine."""


class TupleOutcome(NamedTuple):
    """What became of a tuple: made if there is no error."""

    number: int
    error: str = ""
    stop: bool = False
    """Whether the error would befall every other tuple as well."""
