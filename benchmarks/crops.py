"""Make the pairs of docs/results-at-100.md: crops of photographs before and after, pixel by pixel.

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


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, default=HERE.parent / "examples")
    photos = parser.parse_args().photos
    remover = Remover()
    for name, (file, left, top) in CROPS.items():
        path = HERE.parent / "examples" / file
        with Image.open(path if path.exists() else photos / file) as opened:
            before = opened.convert("RGB")
        after = Image.fromarray(remover(np.asarray(before)))
        pair = Image.new("RGB", (2 * SIDE + GAP, SIDE), "white")
        for image, x in ((before, 0), (after, SIDE + GAP)):
            pair.paste(image.crop((left, top, left + SIDE, top + SIDE)), (x, 0))
        pair.save(HERE.parent / "docs" / "pictures" / f"at-100-{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
