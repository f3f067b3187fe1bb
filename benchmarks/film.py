"""Flicker, sound and speed of `unshine video` on a film that is made for it.

Run by hand:

    python benchmarks/film.py --seconds 10

A still table of the example image, with its highlights, under the noise of a camera; a glossy
ball rolls over it, with music. Flicker is the mean difference from one image to the next where
nothing moves, of the result divided by that of the source (1.2 at most is wanted), everywhere and
where something was corrected. Both are decoded films, so the codec's share is in it.
"""

import argparse
import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from publish import HERE, publish

from unshine import film
from unshine.cpus import available_cpus
from unshine.remover import Remover

RATE = 25
CORRECTED = 2.0
"""Levels by which a pixel's mean must change to count as corrected."""


def images(seconds: float, width: int, height: int) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Yield a film's images, H×W×3 uint8, and where something moves in them."""
    with Image.open(HERE.parent / "examples" / "coffee.png") as example:
        table = np.asarray(example.convert("RGB").resize((width, height)), np.float32)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    radius = height / 8
    count = round(seconds * RATE)
    for number in range(count):
        across = radius + (width - 2 * radius) * number / count
        y, x = (rows - 0.75 * height) / radius, (columns - across) / radius
        z = np.sqrt((1 - x**2 - y**2).clip(0))
        stripes = 0.5 + 0.4 * np.sign(np.sin(8 * (x + across / radius)))
        colour = np.stack([0.8 * stripes, 0.2 + 0 * stripes, 0.6 - 0.4 * stripes], -1)
        light = (-0.4 * x - 0.5 * y + 0.77 * z).clip(0, 1)
        ball = colour * light[..., None] * 200 + 300 * (light**60)[..., None]
        inside = (x**2 + y**2 < 1)[..., None]
        image = np.where(inside, ball, table)
        image = image + rng.normal(0, 2, image.shape)
        yield image.clip(0, 255).astype(np.uint8), (x**2 + y**2 < 1.5)


def make(path: Path, seconds: float, width: int, height: int) -> NDArray[np.bool_]:
    """Write the film; return where anything ever moves."""
    moving = np.zeros((height, width), np.bool_)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound: Any = container.add_stream("aac", rate=48000, layout="mono")
        for image, moves in images(seconds, width, height):
            moving |= moves
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
        wave = np.sin(np.arange(round(48000 * seconds)) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        for part in av.AudioResampler("fltp", "mono", 48000, frame_size=1024).resample(frame):
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return moving


def flicker(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each pixel's mean difference from one image to the next, and its mean, in levels."""
    before: Any = None
    differences: Any = 0
    total: Any = 0
    count = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="gray").astype(np.float64)
            if before is not None:
                differences = differences + np.abs(luma - before)
            before, total, count = luma, total + luma, count + 1
    return differences / (count - 1), total / count


def sound_hash(path: Path) -> str:
    """Return a hash of the packets of sound."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            digest.update(bytes(packet))
    return digest.hexdigest()[:16]


def main() -> None:
    """Make the film, remove its highlights, print what came of it and write `film.csv`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--threads", type=int, default=available_cpus())
    parser.add_argument("--keep", type=Path, help="a folder for both films")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    folder = arguments.keep or Path(tempfile.mkdtemp())
    source, target = folder / "film.mp4", folder / "film_clean.mp4"
    still = ~make(source, arguments.seconds, width, height)
    start = time.perf_counter()
    remover = Remover(threads=1)
    lost = film.remove(source, target, remover, overwrite=True, threads=arguments.threads)
    elapsed = time.perf_counter() - start
    (before, shown), (after, cleaned) = flicker(source), flicker(target)
    corrected = still & (np.abs(cleaned - shown) > CORRECTED)
    warnings = "not installed"
    if shutil.which("ffprobe"):
        command = ["ffprobe", "-v", "warning", str(target)]
        warnings = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    row = {
        "seconds": arguments.seconds,
        "size": arguments.size,
        "images_per_second": f"{arguments.seconds * RATE / elapsed:.2f}",
        "threads": arguments.threads,
        "flicker_before": f"{before[still].mean():.3f}",
        "flicker_after": f"{after[still].mean():.3f}",
        "ratio": f"{after[still].mean() / before[still].mean():.3f}",
        "corrected": f"{corrected.sum() / still.sum():.4f}",
        "ratio_corrected": f"{after[corrected].mean() / before[corrected].mean():.3f}",
        "sound_same": sound_hash(source) == sound_hash(target),
        "ffprobe": warnings.strip() or "no warning",
        "not_kept": "; ".join(lost),
    }
    publish([{"figure": name, "value": str(value)} for name, value in row.items()], "film.csv")


if __name__ == "__main__":
    main()
