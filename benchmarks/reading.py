"""How fast training tuples are read from disk, by number of processes, in both frameworks.

Run by hand on an otherwise quiet machine:

    python benchmarks/reading.py

Tuples of seven 256×256 JPEG files in SSHR's layout, as large as SSHR's own, are written to a
temporary folder, then read, cropped and mirrored as `unshine train` does it, for the recipe that
reads most of them. A training step on the same machine must take longer than reading its batch.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from publish import HERE, MACHINE, publish

from unshine.cpus import available_cpus
from unshine.training.recipes import PAPER
from unshine.training.settings import Settings
from unshine.training.torch_data import stream

TUPLES, SIZE, BATCH, BATCHES = 64, 256, 16, 24
SUFFIXES = ("i", "a", "s", "r", "d", "d_tc", "m")


def write(folder: Path) -> Path:
    """Write tuples with a list, and return the list; what they show does not matter."""
    with Image.open(HERE.parent / "examples" / "coffee.png") as example:
        image = example.convert("RGB").resize((2 * SIZE, 2 * SIZE))
    rng = np.random.default_rng(0)
    lines = []
    for index in range(TUPLES):
        names = [f"{index:04}_{suffix}.jpg" for suffix in SUFFIXES]
        for name in names:
            left, top = (int(x) for x in rng.integers(SIZE, size=2))
            crop = image.crop((left, top, left + SIZE, top + SIZE))
            crop.save(folder / name, quality=95, subsampling=0)
        lines.append(" ".join(names))
    path = folder / "train_7_tuples.lst"
    path.write_text("\n".join(lines))
    return path


def read(framework: str, settings: Settings) -> Iterator[Any]:
    """Start a framework's own stream."""
    if framework == "PyTorch":
        return stream(settings, torch.device("cpu"))
    from unshine.training import mindspore_data

    return mindspore_data.stream(settings)


def main() -> None:
    """Measure all, print a table and write `reading.csv`."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder))
        for framework in ("PyTorch", "MindSpore"):
            for workers in sorted({1, 2, available_cpus()}):
                settings = Settings(
                    Path(folder),
                    samples=1,
                    recipe=replace(PAPER, size=SIZE, batch=BATCH),
                    data=(str(path),),
                    workers=workers,
                )
                batches = read(framework, settings)
                # The first ones wait for the processes to start, and fill their queues.
                for _ in range(8):
                    next(batches)
                start = time.perf_counter()
                for _ in range(BATCHES):
                    next(batches)
                rate = f"{BATCH * BATCHES / (time.perf_counter() - start):.0f}"
                rows.append(
                    {
                        "framework": framework,
                        "processes": str(workers),
                        "tuples_per_second": rate,
                        "size": str(SIZE),
                        **MACHINE,
                    }
                )
                del batches
    publish(rows, "reading.csv")


if __name__ == "__main__":
    main()
