"""Feed the readers of images with damaged files.

    python benchmarks/mutated_files.py --files 5000 --out benchmarks/mutated_files.csv

Files of all kinds are damaged in every way that is known to trouble readers, the same for the same
seed. Each is read and, where that succeeds, changed and written. Nothing but an image or an
UnshineError may come of it, within 10 seconds of processor time and 1 GB, and nothing may be left
behind. The work is done in a process of its own, so that a crash in a library is noticed and the
rest goes on.
"""

import argparse
import csv
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "io"))

PNG = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 60_000)
COLUMNS = ("files", "images", "seconds", "MB")
LONGEST, PATIENCE, MOST_MEMORY = 10.0, 600.0, 1 << 30


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Damage a file in one to three ways."""
    if data[:8] == PNG and rng.random() < 0.5:
        return _mutated_chunk(data, rng)
    damaged = bytearray(data)
    # Most of what a reader must believe stands near the start.
    end = len(damaged) if rng.random() < 0.5 else min(len(damaged), 600)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(max(1, min(end, len(damaged))))
        match rng.randrange(8):
            case 0:
                for _ in range(rng.randint(1, 8)):
                    place = rng.randrange(max(1, min(end, len(damaged))))
                    damaged[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del damaged[at:]
            case 2:
                del damaged[at : at + rng.randint(1, 64)]
            case 3:
                damaged[at:at] = rng.randbytes(rng.randint(1, 64))
            case 4:
                form = rng.choice((">I", "<I", ">H", "<H"))
                value = rng.choice(EXTREMES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
                damaged[at : at + struct.calcsize(form)] = struct.pack(form, value)
            case 5:
                damaged[at : at + rng.randint(1, 400)] = bytes(rng.randint(1, 400))
            case 6:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                damaged[at : at + 200] = other[start : start + rng.randint(1, 400)]
            case 7:
                damaged[at:at] = damaged[at : at + rng.randint(1, 200)]
    return bytes(damaged)


def _mutated_chunk(data: bytes, rng: random.Random) -> bytes:
    """Damage one chunk of a PNG file, and let its check sum say that it is whole."""
    starts, at = [], len(PNG)
    while at < len(data):
        starts.append(at)
        at += 12 + int.from_bytes(data[at : at + 4])
    at = rng.choice(starts)
    end = at + 8 + int.from_bytes(data[at : at + 4])
    content = bytearray(data[at + 8 : end])
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(content) + 1)
        content[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    body = data[at + 4 : at + 8] + bytes(content)
    check = struct.pack(">I", zlib.crc32(body))
    return data[:at] + struct.pack(">I", len(content)) + body + check + data[end + 4 :]


def mutants(number: int, seed: int, first: int = 0) -> Iterator[tuple[int, str, bytes]]:
    """Yield numbered mutants of all kinds of files in turn: number, kind, content."""
    import made

    files = made.seeds()
    names, contents = list(files), list(files.values())
    for index in range(first, number):
        rng = random.Random(seed * 1_000_003 + index)
        name = names[index % len(names)]
        yield index, name, mutated(files[name], contents, rng)


def tried(data: bytes, name: str, folder: Path) -> str:
    """Read a file and write it anew; return what came of it: "image", or the sentence."""
    from unshine.errors import UnshineError
    from unshine.io import stills

    path = folder / f"a.{name.rpartition('.')[2]}"
    path.write_bytes(data)
    try:
        still = stills.read(path, max_pixels=50_000_000)
        pixels = still.pixels.copy()
        pixels[:1, :1] = 0 if pixels[:1, :1].any() else 1
        result = replace(still, pixels=pixels)
        ending = stills.ending_of(still.kind)
        stills.write(result, folder / f"b{ending}")
        stills.write(still, folder / f"c{ending}")
    except UnshineError as error:
        outcome = str(error)
        if "\n" in outcome:
            raise AssertionError(f"not one line: {outcome!r}") from error
    else:
        outcome = "image"
    left = {entry.name.partition(".")[0] for entry in folder.iterdir()} - {"a", "b", "c"}
    if left or any(entry.name.startswith(".") for entry in folder.iterdir()):
        raise AssertionError(f"left behind: {sorted(os.listdir(folder))}")
    for entry in folder.iterdir():
        entry.unlink()
    return outcome


def _work(pipe: Connection, number: int, seed: int, first: int) -> None:
    """Try mutants from a number on, and tell of each before and after."""
    os.environ["OMP_NUM_THREADS"] = "1"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for index, name, data in mutants(number, seed, first):
            pipe.send(("start", index, name, ""))
            # A loop without end is ended by the processor time it takes, however busy the machine.
            signal.setitimer(signal.ITIMER_PROF, LONGEST)
            began = time.process_time()
            try:
                outcome = tried(data, name, Path(folder))
            except BaseException:
                outcome = "FAULT " + traceback.format_exc().replace("\n", " | ")
            took = time.process_time() - began
            signal.setitimer(signal.ITIMER_PROF, 0)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            pipe.send(("end", index, name, outcome, took, memory))
    pipe.send(("all", number, "", ""))


def main() -> None:
    """Try all mutants, and write a line for each that something is wrong with."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    counts: dict[str, dict[str, float]] = {}
    faults: list[str] = []
    first = arguments.first
    while first < arguments.files:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        worker = context.Process(
            target=_work, args=(theirs, arguments.files, arguments.seed, first), daemon=True
        )
        worker.start()
        theirs.close()
        index, name = first, ""
        try:
            while True:
                if not ours.poll(PATIENCE):
                    faults.append(f"{index} {name}: no answer within {PATIENCE:g} s")
                    break
                message = ours.recv()
                if message[0] == "all":
                    index = arguments.files
                    break
                index, name = message[1], message[2]
                if message[0] == "start":
                    continue
                _, _, _, outcome, took, memory = message
                row = counts.setdefault(name, dict.fromkeys(COLUMNS, 0))
                row["files"] += 1
                row["images"] += outcome == "image"
                row["seconds"] = max(row["seconds"], took)
                row["MB"] = max(row["MB"], memory / 2**20)
                if outcome.startswith("FAULT") or memory > MOST_MEMORY:
                    faults.append(f"{index} {name}: {outcome} ({memory / 2**20:.0f} MB)")
                    if memory > MOST_MEMORY:
                        break
        except EOFError:
            worker.join(5)
            faults.append(f"{index} {name}: the process ended with {worker.exitcode}")
        worker.kill()
        worker.join()
        first = index + 1
    table: list[dict[str, str | float]] = [
        {"kind": name, **{column: round(row[column], 3) for column in COLUMNS}}
        for name, row in counts.items()
    ]
    for line in table:
        print(*line.values())
    print(*faults, sep="\n", flush=True)
    print(f"{sum(int(row['files']) for row in counts.values())} files, {len(faults)} faults")
    if arguments.out:
        with arguments.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["kind", *COLUMNS])
            writer.writeheader()
            writer.writerows(table)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
