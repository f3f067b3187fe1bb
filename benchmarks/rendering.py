"""How many path-traced tuples an hour: one process, several, one Ray worker, several.

Run by hand on an otherwise quiet machine, after `unshine assets fetch`:

    python benchmarks/rendering.py [TUPLES]

Every row renders the same tuples at 256 by 256 pixels with the default settings, files and card
included. A Ray worker has one processor.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from publish import MACHINE, publish

from unshine.synth import workers
from unshine.synth.job import RenderJob, RenderSettings, TupleOutcome
from unshine.synth.traced_dataset import render_traced

WAYS = ("1 process", "2 processes", "1 Ray worker", "2 Ray workers")


def measure(way: str, tuples: int) -> float:
    """Render in this process and its workers; return seconds, without the start of Ray."""
    count, kind = int(way.split()[0]), way.split()[1]
    run: Callable[[RenderJob, list[int]], Iterator[TupleOutcome]] = partial(
        workers.local, workers=count
    )
    if kind == "Ray":
        import ray

        ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False)
        run = workers.on_ray
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        failed = render_traced(Path(folder), tuples, RenderSettings(), run=run)
        seconds = time.perf_counter() - start
    if failed:
        sys.exit(f"tuples failed: {failed}")
    return seconds


def main(tuples: int) -> None:
    """Measure all ways, print a table and write `rendering.csv`."""
    rows: list[dict[str, str]] = []
    alone = 0.0
    for way in WAYS:
        command = [sys.executable, __file__, str(tuples), way]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds = float(done.stdout.split()[-1])
        rate = tuples / seconds * 3600
        alone = rate if way.startswith("1") else alone
        row = {
            "way": way,
            "tuples": str(tuples),
            "seconds": f"{seconds:.0f}",
            "tuples_an_hour": f"{rate:.0f}",
            "times_one": f"{rate / alone:.2f}",
            **MACHINE,
        }
        rows.append(row)
    publish(rows, "rendering.csv")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(sys.argv[2], int(sys.argv[1])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) == 2 else 40)
