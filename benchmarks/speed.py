"""Time and memory of removing highlights: of one image by its size, and of a folder.

Run by hand on an otherwise quiet machine:

    python benchmarks/speed.py sizes
    python benchmarks/speed.py folder --images 200

`sizes` takes JPEG files of several sizes from file to file with the network loaded, and says how
the time is shared out: decoding, network (reducing to the working size included), enlarging and
encoding. Every size runs in a process of its own, one call to warm up, then the median of some
timed calls; memory is the process's peak, Python and libraries included. The example image is
enlarged and given grain, so that photographs above the working size take the usual path.

`folder` runs the command itself on JPEGs of 2 megapixels, with one processor and with two, start
included; a quarter of the images comes first, to show if memory grows with their number.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from publish import HERE, MACHINE, publish

from unshine.io import stills
from unshine.remover import Remover

SIZES = {
    "0.25": (512, 512),
    "1": (1024, 1024),
    "4": (2304, 1728),
    "12": (4000, 3000),
    "24": (6000, 4000),
    "100": (11600, 8700),
}
CALLS = 5
STEPS = ("decoding", "network", "enlarging", "encoding")
FOLDER_SIZE = (1632, 1224)
SEEDS = 8
"""Different images in a folder; the others are copies."""


def write_image(path: Path, width: int, height: int, seed: int = 0) -> None:
    """Write the example image as a JPEG of another size, with grain."""
    with Image.open(HERE.parent / "examples" / "coffee.png") as example:
        image = np.asarray(example.convert("RGB").resize((width, height)))
    rng = np.random.default_rng(seed)
    noisy = np.empty_like(image)
    for row, values in enumerate(image):
        grain = rng.integers(-3, 4, (width, 1), dtype=np.int16)
        noisy[row] = (values + grain).clip(0, 255)
    Image.fromarray(noisy).save(path, quality=90)


def measure(source: Path, target: Path) -> dict[str, float]:
    """Time warm calls on one file, in this process."""
    remover = Remover()
    times: dict[str, list[float]] = {step: [] for step in (*STEPS, "seconds")}
    for _ in range(1 + CALLS):
        moments = [time.perf_counter()]
        still = stills.read(source)
        moments.append(time.perf_counter())
        analysis = remover.analyse(stills.for_display(still))
        moments.append(time.perf_counter())
        result = stills.with_display(still, analysis.clean())
        del analysis
        moments.append(time.perf_counter())
        stills.write(result, target, overwrite=True)
        moments.append(time.perf_counter())
        del still, result
        for step, start, end in zip(STEPS, moments, moments[1:], strict=False):
            times[step].append(end - start)
        times["seconds"].append(moments[-1] - moments[0])
    medians = {step: statistics.median(values[1:]) for step, values in times.items()}
    return {**medians, "slowest": max(times["seconds"][1:]), "peak_mb": peak_mb()}


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    """Return the most memory that a process has had; Linux counts in kilobytes, macOS in bytes."""
    return resource.getrusage(who).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run_folder(source: Path, target: Path, processors: int) -> dict[str, float]:
    """Time the command on a folder; this process must not have had other children."""
    command = [sys.executable, "-m", "unshine", "remove", str(source), "-o", str(target)]
    start = time.perf_counter()
    subprocess.run([*command, "-j", str(processors)], check=True, stdout=subprocess.DEVNULL)
    elapsed = time.perf_counter() - start
    return {"seconds": elapsed, "peak_mb": peak_mb(resource.RUSAGE_CHILDREN)}


def alone(*arguments: object) -> dict[str, float]:
    """Take a measurement in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(run.stdout)
    return result


def sizes(folder: Path, names: list[str]) -> None:
    """Measure images of several sizes; write `speed.csv`."""
    rows = []
    for megapixels in names:
        width, height = SIZES[megapixels]
        source = folder / "source.jpg"
        write_image(source, width, height)
        result = alone("one", source, folder / "target.jpg")
        rows.append(
            {
                "megapixels": megapixels,
                "width": str(width),
                "height": str(height),
                "seconds": f"{result['seconds']:.2f}",
                **{step: f"{result[step]:.2f}" for step in STEPS},
                "slowest": f"{result['slowest']:.2f}",
                "peak_mb": f"{result['peak_mb']:.0f}",
                **MACHINE,
            }
        )
    publish(rows, "speed.csv")


def folder(root: Path, images: int) -> None:
    """Measure a folder; write `folder.csv`."""
    rows = []
    for count in (max(1, images // 4), images):
        source = root / f"in{count}"
        source.mkdir()
        for number in range(count):
            path = source / f"{number:04}.jpg"
            if number < SEEDS:
                write_image(path, *FOLDER_SIZE, seed=number)
            else:
                path.write_bytes((source / f"{number % SEEDS:04}.jpg").read_bytes())
        for processors in (1, 2):
            result = alone("run", source, root / f"out{count}-{processors}", processors)
            rows.append(
                {
                    "images": str(count),
                    "processors": str(processors),
                    "seconds": f"{result['seconds']:.1f}",
                    "images_per_second": f"{count / result['seconds']:.2f}",
                    "peak_mb": f"{result['peak_mb']:.0f}",
                    **MACHINE,
                }
            )
    publish(rows, "folder.csv")


def main() -> None:
    """Take the measurements that are asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("sizes", "folder"))
    parser.add_argument("--only", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if arguments.what == "sizes":
            sizes(Path(name), arguments.only)
        else:
            folder(Path(name), arguments.images)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(Path(sys.argv[2]), Path(sys.argv[3]))))
    elif sys.argv[1:2] == ["run"]:
        print(json.dumps(run_folder(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
