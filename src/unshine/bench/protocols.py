"""Protocols: for each dataset the size, target, region and space of scores, written down once.

Numbers of different protocols do not belong in one table.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from unshine.data import pairs, readers
from unshine.data.item import Entry, Example, resize_image
from unshine.data.readers import MIT, PSD, READERS, SHIQ, SSHR, Reader
from unshine.errors import UnshineError


@dataclass(frozen=True)
class Protocol:
    """How one dataset is scored."""

    name: str
    reader: Reader
    about: str
    """What the numbers mean, for the report."""
    target: Literal["diffuse", "tone_corrected"] = "diffuse"
    """Which truth results are compared with."""
    square: int | None = None
    """Side that every image is resized to, whatever its shape."""
    gain: float = 1.0
    """Factor on the specular light, where the dataset stores it separately."""
    masked: bool = False
    """Whether results are black outside the object before they are scored."""

    def load(self, entry: Entry) -> Example:
        """Read an example; its `diffuse` is the target, and all of it has the protocol's size."""
        example = self.reader.read(entry)
        if self.target == "tone_corrected":
            if example.tone_corrected is None:
                raise UnshineError(
                    f"{entry.name}: has no tone-corrected truth, which {self.name} asks for."
                )
            example = replace(example, diffuse=example.tone_corrected)
        height, width = example.image.shape[:2]
        size = (self.square, self.square) if self.square else self.reader.size(height, width)
        mask = resize_image(example.mask.astype(np.float32)[..., None], size)[..., 0] > 0.5
        return replace(
            example,
            image=resize_image(example.image, size),
            diffuse=resize_image(example.diffuse, size),
            mask=mask,
            tone_corrected=None,
        )


B = "{} as in DHAN-SHR's benchmark: 256×256, display values, whole frame; truth: the diffuse image."
C = "{} as a third group scores it: {}×{}, display values, whole frame; truth: the diffuse image."

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        *(Protocol(reader.name, reader, reader.about) for reader in READERS),
        Protocol("mit-x2", MIT, f"{MIT.about} Specular light doubled.", gain=2),
        Protocol("mit-x4", MIT, f"{MIT.about} Specular light quadrupled.", gain=4),
        Protocol(
            "unshine",
            SSHR,
            "Unshine's own test set, in SSHR's layout, stored size, display values; truth: the"
            " diffuse image.",
        ),
        Protocol(
            "sshr-tshrnet",
            SSHR,
            "SSHR as TSHRNet (ICCV 2023) scores it: 256×256, display values, whole frame,"
            " results masked with the true mask; truth: the tone-corrected diffuse image.",
            target="tone_corrected",
            square=256,
            masked=True,
        ),
        Protocol("sshr-b", SSHR, B.format("SSHR"), square=256),
        Protocol("shiq-b", SHIQ, B.format("SHIQ"), square=256),
        Protocol("psd-b", PSD, B.format("PSD"), square=256),
        Protocol("sshr-c", SSHR, C.format("SSHR", 256, 256), square=256),
        Protocol("shiq-c", SHIQ, C.format("SHIQ", 200, 200), square=200),
        Protocol("psd-c", PSD, C.format("PSD", 256, 256), square=256),
    )
}
"""Every protocol by name: each reader's own has the reader's name, those of papers a suffix."""


def find(
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
    if truth is not None:
        if not truth.is_dir() or not data.is_dir():
            raise UnshineError(f"{truth}: both the images and their truths must be in folders.")
        return PROTOCOLS["pairs"], pairs.find(data, truth)
    if name is None:
        reader, entries = readers.find(data)
        return PROTOCOLS[reader.name], entries
    if name not in PROTOCOLS:
        raise UnshineError(f"There is no protocol {name!r}; choose from {', '.join(PROTOCOLS)}.")
    protocol = PROTOCOLS[name]
    _, entries = readers.find(data, [protocol.reader])
    return protocol, [replace(entry, gain=protocol.gain) for entry in entries]
