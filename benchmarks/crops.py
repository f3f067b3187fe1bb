"""Make the pairs, before and after, of README.md (whole) and docs/results-at-100.md (crops).

    python benchmarks/crops.py --photos FOLDER

FOLDER holds the CC0 photographs that the page names; the two of examples/ need no other place.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from publish import HERE

from unshine.remover import Remover

SIDE, GAP = 240, 4
CROPS = {
    "cup": ("coffee.png", 190, 10),
    "spoon": ("coffee.png", 270, 150),
    "suit": ("astronaut.png", 110, 200),
    "hibiscus": ("twentytwentyfive-red-hibiscus-closeup.jpg", 290, 260),
    "circuits": ("budgie-motherboard-circuits.jpg", 690, 420),
    "lavender": ("budgie-dragonfly-on-lavender.jpg", 270, 460),
    "daisies": ("budgie-kitten-on-lawn.jpg", 200, 440),
    "snow": ("budgie-lake-sherburne.jpg", 480, 230),
}
"""Names of the pairs: the photograph, and the crop's left and upper edge."""
WHOLE = ("coffee.png", "astronaut.png")
EXAMPLES, PICTURES = HERE.parent / "examples", HERE.parent / "docs" / "pictures"


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, default=EXAMPLES)
    photos = parser.parse_args().photos
    remover = Remover()
    for name, (file, left, top) in CROPS.items():
        path = EXAMPLES / file if (EXAMPLES / file).exists() else photos / file
        box = (left, top, left + SIDE, top + SIDE)
        before, after = (image.crop(box) for image in cleaned(remover, path))
        beside(before, after, GAP).save(PICTURES / f"at-100-{name}.jpg", quality=88)
    for file in WHOLE:
        pair = beside(*cleaned(remover, EXAMPLES / file))
        pair.save((PICTURES / file).with_suffix(".jpg"), quality=88)


def cleaned(remover: Remover, path: Path) -> tuple[Image.Image, Image.Image]:
    """Return a photograph before and after."""
    with Image.open(path) as opened:
        before = opened.convert("RGB")
    return before, Image.fromarray(remover(np.asarray(before)))


def beside(before: Image.Image, after: Image.Image, gap: int = 0) -> Image.Image:
    """Put two images of one size beside one another."""
    pair = Image.new("RGB", (2 * before.width + gap, before.height), "white")
    pair.paste(before, (0, 0))
    pair.paste(after, (before.width + gap, 0))
    return pair


if __name__ == "__main__":
    main()
