"""What is compared with what: for each dataset size, target, region and space, written down once.

Numbers of different protocols do not belong in one table.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from unshine.data import mit_intrinsic, pairs, psd, shen_zheng, shiq, sshr
from unshine.data.item import Entry, Example, Floats
from unshine.errors import UnshineError


@dataclass(frozen=True)
class Protocol:
    """How one dataset is scored."""

    name: str
    about: str
    """What the numbers mean, for the report."""
    find: Callable[[Path], list[Entry]]
    read: Callable[[Entry], Example]
    target: Literal["diffuse", "tone_corrected"] = "diffuse"
    """Which truth results are compared with."""
    square: int | None = None
    """Side that every picture is resized to, whatever its shape."""
    long_side: int | None = None
    """Long side that larger pictures are reduced to, keeping their shape."""
    cut_out: bool = False
    """Whether results are black outside the object before they are scored."""

    def load(self, entry: Entry) -> Example:
        """Read an example; its `diffuse` is the target, and all of it has the protocol's size."""
        example = self.read(entry)
        if self.target == "tone_corrected":
            if example.tone_corrected is None:
                raise UnshineError(
                    f"{entry.name}: has no tone-corrected truth, which {self.name} asks for."
                )
            example = replace(example, diffuse=example.tone_corrected)
        size = self.size(example.image)
        mask = resized(example.mask.astype(np.float32)[..., None], size)[..., 0] > 0.5
        return replace(
            example,
            image=resized(example.image, size),
            diffuse=resized(example.diffuse, size),
            mask=mask,
            tone_corrected=None,
        )

    def size(self, image: Floats) -> tuple[int, int]:
        """Height and width that a picture is scored at."""
        height, width = image.shape[:2]
        if self.square:
            return self.square, self.square
        scale = min(1.0, (self.long_side or np.inf) / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))


def resized(values: Floats, size: tuple[int, int]) -> Floats:
    """Resize (H, W, C) bicubically, averaging where it shrinks, clipped to [0, 1]."""
    if values.shape[:2] == size:
        return values
    planes = [
        Image.fromarray(np.ascontiguousarray(values[..., channel])).resize(
            size[::-1], Image.Resampling.BICUBIC
        )
        for channel in range(values.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2).clip(0, 1)


def _stronger(gain: float) -> Callable[[Path], list[Entry]]:
    return lambda folder: mit_intrinsic.stronger(mit_intrinsic.find(folder), gain)


SSHR = Protocol(
    "sshr",
    "SSHR, stored size, display values; truth: the diffuse image.",
    sshr.find,
    sshr.read,
)
SHIQ = Protocol(
    "shiq",
    "SHIQ, stored size, display values; truth: the diffuse image; no object masks.",
    shiq.find,
    shiq.read,
)
PSD = Protocol(
    "psd",
    "PSD, long side reduced to 1024, display values; truth: the cross-polarised photograph.",
    psd.find,
    psd.read,
    long_side=1024,
)
MIT = Protocol(
    "mit",
    "MIT Intrinsic Images, exposed so that the 99th percentile of the diffuse light is 0.9, display"
    " values (power 2.2); truth: the diffuse photograph.",
    mit_intrinsic.find,
    mit_intrinsic.read,
)
SHEN_ZHENG = Protocol(
    "shen-zheng",
    "Shen & Zheng's pictures, values as stored taken for linear light, as in published figures."
    " The input is about 10 % brighter than the truth outside its highlights, too.",
    shen_zheng.find,
    shen_zheng.read,
)
PAIRS = Protocol("pairs", "Pairs of pictures, stored size, display values.", pairs.find, pairs.read)
UNSHINE = replace(
    SSHR,
    name="unshine",
    about="Unshine's own test set, in SSHR's layout, stored size, display values; truth: the"
    " diffuse image.",
)

DATASETS = (SSHR, SHIQ, PSD, MIT, SHEN_ZHENG, PAIRS)
"""The protocol of each layout, in the order in which a folder is tried for them."""

B = "{} as in DHAN-SHR's benchmark: 256×256, display values, whole frame; truth: the diffuse image."
C = "{} as a third group scores it: {}×{}, display values, whole frame; truth: the diffuse image."
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        *DATASETS,
        UNSHINE,
        replace(
            SSHR,
            name="sshr-tshrnet",
            about="SSHR as TSHRNet (ICCV 2023) scores it: 256×256, display values, whole frame,"
            " results cut out with the true mask; truth: the tone-corrected diffuse image.",
            target="tone_corrected",
            square=256,
            cut_out=True,
        ),
        replace(SSHR, name="sshr-b", about=B.format("SSHR"), square=256),
        replace(SHIQ, name="shiq-b", about=B.format("SHIQ"), square=256),
        replace(PSD, name="psd-b", about=B.format("PSD"), square=256, long_side=None),
        replace(SSHR, name="sshr-c", about=C.format("SSHR", 256, 256), square=256),
        replace(SHIQ, name="shiq-c", about=C.format("SHIQ", 200, 200), square=200),
        replace(PSD, name="psd-c", about=C.format("PSD", 256, 256), square=256, long_side=None),
        replace(
            MIT, name="mit-x2", about=MIT.about + " Specular light doubled.", find=_stronger(2)
        ),
        replace(
            MIT, name="mit-x4", about=MIT.about + " Specular light quadrupled.", find=_stronger(4)
        ),
    )
}
"""Every protocol by name: ours, and with a suffix those of papers."""


def choose(
    data: Path, name: str | None = None, truth: Path | None = None
) -> tuple[Protocol, list[Entry]]:
    """Find the examples in a folder, and the protocol for its layout unless `name` says it.

    Parameters
    ----------
    data : Path
        A dataset's folder, an SSHR list file, or a folder of images.
    name : str, optional
        One of `PROTOCOLS`.
    truth : Path, optional
        For a folder of images: the folder of their truths.

    Raises
    ------
    UnshineError
        If there is no such protocol or nothing to score.
    """
    if not data.exists():
        raise UnshineError(f"{data}: there is no such file or folder.")
    if truth is not None:
        if not truth.is_dir() or not data.is_dir():
            raise UnshineError(f"{truth}: both the images and their truths must be in folders.")
        return PAIRS, pairs.find(data, truth)
    if name is not None and name not in PROTOCOLS:
        raise UnshineError(f"There is no protocol {name!r}; choose from {', '.join(PROTOCOLS)}.")
    for protocol in DATASETS if name is None else (PROTOCOLS[name],):
        if entries := protocol.find(data):
            return protocol, entries
    layout = "a known dataset" if name is None else f"the protocol {name}"
    raise UnshineError(
        f"{data}: holds nothing in the layout of {layout}; a folder of pairs has NAME.png and"
        " NAME_gt.png, or the folders input and truth."
    )
