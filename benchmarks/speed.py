"""Time and memory of removing highlights, by image size.

Run by hand on an otherwise quiet machine:

    python benchmarks/speed.py

Every size runs in a process of its own: load the network, one call to warm up, then the median of
some timed calls; memory is the process's peak, Python and libraries included. The example image
is enlarged and given grain, so that photographs above the working size take the usual path.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from PIL import Image
from publish import HERE, MACHINE, publish

from unshine.remover import Remover

SIZES = {"0.25": (512, 512), "1": (1024, 1024), "4": (2304, 1728), "12": (4000, 3000)}
CALLS = 5


def measure(width: int, height: int) -> dict[str, float]:
    """Time warm calls on one image, in this process."""
    with Image.open(HERE.parent / "examples" / "coffee.png") as example:
        image = np.asarray(example.convert("RGB").resize((width, height)))
    grain = np.random.default_rng(0).integers(-3, 4, (height, width, 1), dtype=np.int16)
    image = (image + grain).clip(0, 255).astype(np.uint8)
    del grain
    remover = Remover()
    remover(image)
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        remover(image)
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kilobytes, macOS in bytes.
    peak_mb = peak / (1e6 if sys.platform == "darwin" else 1e3)
    return {"seconds": statistics.median(times), "slowest": max(times), "peak_mb": peak_mb}


def main() -> None:
    """Measure all sizes, print a table and write `speed.csv`."""
    rows = []
    for megapixels, (width, height) in SIZES.items():
        command = [sys.executable, __file__, str(width), str(height)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        result = json.loads(run.stdout)
        row: dict[str, str] = {
            "megapixels": megapixels,
            "width": str(width),
            "height": str(height),
            "seconds": f"{result['seconds']:.2f}",
            "slowest": f"{result['slowest']:.2f}",
            "peak_mb": f"{result['peak_mb']:.0f}",
            **MACHINE,
        }
        rows.append(row)
    publish(rows, "speed.csv")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
    else:
        main()
