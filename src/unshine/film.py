"""A film through the network: image by image, with a correction that stays steady."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from unshine.io import video
from unshine.io.frames import add_correction, to_rgb
from unshine.pixels import Floats
from unshine.remover import Remover
from unshine.steady import Steadier

Corrected = tuple[Floats, Floats]
"""An image, H×W×3 display values as they are stored, and what is to be added to it."""


def remove(
    source: Path,
    target: Path,
    remover: Remover,
    strength: float = 1.0,
    sensitivity: float = 0.5,
    *,
    trim: video.Trim | None = None,
    rate_factor: float = 16,
    overwrite: bool = False,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> list[str]:
    """Remove the highlights of a film.

    Parameters
    ----------
    source, target, trim, rate_factor, overwrite
        As for `unshine.io.video.rewrite`.
    remover : Remover
        With the shipped weights or others.
    strength, sensitivity : float
        As for `unshine.remover.Analysis.clean`.
    threads : int
        How many images are worked on at a time.
    progress : callable
        Called after each image with how many are done and about how many there are, or 0.

    Returns
    -------
    list of str
        In words, what could not be kept.

    Raises
    ------
    UnshineError
        As for `unshine.io.video.rewrite`.
    """

    def correct(frame: Any) -> Corrected:
        image = to_rgb(frame)
        # The network sees the image as it is shown.
        turns = round(frame.rotation / 90) % 4
        upright = np.ascontiguousarray(np.rot90(image, turns))
        clean = remover.analyse(upright).clean(strength, sensitivity)
        return image, np.ascontiguousarray(np.rot90(clean - upright, -turns))

    def change(info: video.Info, frames: Iterator[Any]) -> Iterator[Any]:
        steady = Steadier()
        with ThreadPoolExecutor(threads, "unshine") as pool:
            for done, (frame, future) in enumerate(_ahead(pool, correct, frames, threads), 1):
                add_correction(frame, steady(*future.result()))
                yield frame
                progress(done, info.images)

    return video.rewrite(source, target, change, trim, rate_factor, overwrite)


def _ahead(
    pool: ThreadPoolExecutor,
    correct: Callable[[Any], Corrected],
    frames: Iterator[Any],
    count: int,
) -> Iterator[tuple[Any, "Future[Corrected]"]]:
    """Yield frames with their corrections, a few of which are always in work.

    A frame that equals the one before it, as in screen recordings, shares its correction.
    """
    waiting: deque[tuple[Any, Future[Corrected]]] = deque()
    before: tuple[bytes, Future[Corrected]] | None = None
    try:
        for frame in frames:
            content = b"".join(bytes(plane) for plane in frame.planes)
            same = before is not None and before[0] == content
            future = before[1] if before and same else pool.submit(correct, frame)
            before = content, future
            waiting.append((frame, future))
            if len(waiting) > count:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()
