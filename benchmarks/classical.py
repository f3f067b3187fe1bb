"""Time the classical methods at 640×480, after compiling them; print a table, or append to a CSV.

    python benchmarks/classical.py [METHOD...] [--csv FILE]

The image is a synthetic scene with textured surfaces and highlights, always the same.
"""

import argparse
import csv
import platform
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unshine.classical import METHODS

LIMITS = {
    "shen2013": 0.030,
    "souza2018": 0.030,
    "yang2010": 0.120,
    "shen2009": 0.200,
    "yoon2006": 0.200,
    "tan2005": 10.0,
    "akashi2016": 150.0,
}
"""Seconds that two cores may take, where a limit was set."""


def scene(height: int = 480, width: int = 640) -> NDArray[np.float32]:
    """Make a scene of 40 coloured surfaces, shading, 12 highlights and sensor noise, linear."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    seeds = rng.random((40, 2)) * (height, width)
    surface = np.argmin([(rows - y) ** 2 + (columns - x) ** 2 for y, x in seeds], axis=0)
    texture = ndimage.gaussian_filter(rng.normal(size=(height, width)), 2)
    shading = 0.5 + 0.2 * np.sin(rows / 90) * np.cos(columns / 70) + texture
    diffuse = rng.uniform(0.05, 0.9, (40, 3))[surface] * shading.clip(0.05)[..., None]
    specular = np.zeros((height, width))
    for y, x in rng.random((12, 2)) * (height, width):
        specular += 0.5 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 14**2))
    image = diffuse + specular[..., None] + rng.normal(scale=0.003, size=diffuse.shape)
    return image.clip(0, 1).astype(np.float32)


def main() -> None:
    """Run the methods named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    parser.add_argument("--csv", type=Path, help="append the results to this file")
    options = parser.parse_args()

    image = scene()
    print(f"{'method':14} {'wall s':>9} {'CPU s':>9} {'limit s':>8}")
    for name in options.methods:
        remove = METHODS[name]
        remove(image[:32, :32])  # compile
        walls: list[float] = []
        cpus: list[float] = []
        while not walls or (sum(walls) < 2 and len(walls) < 20):
            wall, cpu = time.perf_counter(), time.process_time()
            remove(image)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        wall, cpu, limit = min(walls), min(cpus), LIMITS.get(name)
        print(f"{name:14} {wall:9.4f} {cpu:9.4f} {limit or '':>8}")
        if options.csv:
            new = not options.csv.exists()
            with options.csv.open("a", newline="") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(["method", "height", "width", "wall_s", "cpu_s", "machine"])
                machine = f"{platform.machine()} {platform.system()}"
                writer.writerow([name, *image.shape[:2], f"{wall:.4g}", f"{cpu:.4g}", machine])


if __name__ == "__main__":
    main()
