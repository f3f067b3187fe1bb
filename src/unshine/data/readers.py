"""The datasets that Unshine reads, in the order in which a folder is tried for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unshine.data import mit_intrinsic, pairs, psd, shen_zheng, shiq, sshr
from unshine.data.item import Entry, Example
from unshine.errors import UnshineError


@dataclass(frozen=True)
class Reader:
    """How one dataset's layout is found on disk and read."""

    name: str
    find: Callable[..., list[Entry]]
    """From a folder to its examples, none where it has another layout. Where `trainable`, also
    ``find(folder, "train", skip_bad)``."""
    read: Callable[[Entry], Example]
    """Reads one example for evaluation."""
    about: str
    """What its examples are, as a sentence for tables."""
    trainable: bool = False
    """Whether the dataset is for training too."""
    long_side: int | None = None
    """Long side that larger images are reduced to, in pixels, keeping their shape."""

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which an image of the dataset is used.

        Examples
        --------
        >>> PSD.size(3000, 2000)
        (1024, 683)
        """
        scale = min(1.0, self.long_side / max(height, width)) if self.long_side else 1.0
        return max(1, round(height * scale)), max(1, round(width * scale))


SSHR = Reader(
    "sshr",
    sshr.find,
    sshr.read,
    "SSHR, stored size, display values; truth: the diffuse image.",
    trainable=True,
)
SHIQ = Reader(
    "shiq",
    shiq.find,
    shiq.read,
    "SHIQ, stored size, display values; truth: the diffuse image; no object masks.",
    trainable=True,
)
PSD = Reader(
    "psd",
    psd.find,
    psd.read,
    "PSD, long side reduced to 1024, display values; truth: the cross-polarised image.",
    trainable=True,
    long_side=1024,
)
MIT = Reader(
    "mit",
    mit_intrinsic.find,
    mit_intrinsic.read,
    "MIT Intrinsic Images, exposed so that the 99th percentile of the diffuse light is 0.9, display"
    " values (power 2.2); truth: the diffuse photograph.",
)
SHEN_ZHENG = Reader(
    "shen-zheng",
    shen_zheng.find,
    shen_zheng.read,
    "Shen & Zheng's images, values as stored taken for linear light, as in published figures. The"
    " input is some 10 % brighter than the truth outside its highlights, too.",
)
PAIRS = Reader("pairs", pairs.find, pairs.read, "Pairs of images, stored size, display values.")

READERS = (SSHR, SHIQ, PSD, MIT, SHEN_ZHENG, PAIRS)


def find(folder: Path, readers: Sequence[Reader] = READERS) -> tuple[Reader, list[Entry]]:
    """Find the examples of a folder or list file, by the first reader that knows its layout.

    Raises
    ------
    UnshineError
        If nothing is there, or nothing that one of the readers knows.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (4, 3), (90, 80, 70)).save(folder / "cup.png")
    >>> Image.new("RGB", (4, 3), (50, 40, 30)).save(folder / "cup_gt.png")
    >>> reader, entries = find(folder)
    >>> reader.name, [entry.name for entry in entries]
    ('pairs', ['cup'])
    >>> reader.read(entries[0]).diffuse.shape
    (3, 4, 3)
    """
    if not folder.exists():
        raise UnshineError(f"{folder}: there is no such file or folder.")
    for reader in readers:
        if entries := reader.find(folder):
            return reader, entries
    names = ", ".join(reader.name for reader in readers)
    raise UnshineError(
        f"{folder}: holds nothing in the layout of a known dataset ({names}); a folder of"
        " pairs has NAME.png and NAME_gt.png, or the folders input and truth."
    )
