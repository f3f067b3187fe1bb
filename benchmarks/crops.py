"""Make the pictures, before and after, of README.md (whole) and docs/results-at-100.md (crops).

    python benchmarks/crops.py --photos FOLDER

FOLDER holds the CC0 photographs that the page names; the two of examples/ need no other place.
"""

import argparse
from pathlib import Path

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
"""Names of the rows: the photograph, and the crop's left and upper edge."""
WHOLE, KEEN = ("coffee.png", "astronaut.png"), 0.85
"""Photographs of README, and the sensitivity of the third picture of every row."""
EXAMPLES, PICTURES = HERE.parent / "examples", HERE.parent / "docs" / "pictures"


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, default=EXAMPLES)
    photos = parser.parse_args().photos
    remover = Remover()
    for name, (file, left, top) in CROPS.items():
        box = (left, top, left + SIDE, top + SIDE)
        path = EXAMPLES / file if (EXAMPLES / file).exists() else photos / file
        row = beside(*(image.crop(box) for image in states(remover, path)), gap=GAP)
        row.save(PICTURES / f"at-100-{name}.jpg", quality=88)
    for file in WHOLE:
        row = beside(*states(remover, EXAMPLES / file))
        row.save((PICTURES / file).with_suffix(".jpg"), quality=88)


def states(remover: Remover, path: Path) -> tuple[Image.Image, ...]:
    """Return a photograph, what becomes of it as shipped, and when more is asked for."""
    with Image.open(path) as opened:
        before = opened.convert("RGB")
    return before, remover.remove(before), remover.remove(before, sensitivity=KEEN)


def beside(*images: Image.Image, gap: int = 0) -> Image.Image:
    """Put images of one size beside one another."""
    width, height = images[0].size
    row = Image.new("RGB", (len(images) * (width + gap) - gap, height), "white")
    for place, image in enumerate(images):
        row.paste(image, (place * (width + gap), 0))
    return row


if __name__ == "__main__":
    main()
