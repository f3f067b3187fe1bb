"""A film through the network: `unshine.film.remove` and `unshine video`."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from unshine import film
from unshine.cli.main import app
from unshine.io.frames import to_rgb
from unshine.remover import Remover

av = pytest.importorskip("av")

COUNT = 8


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A lossless film: half of it bright enough for the tiny network, with a still second half."""
    rng = np.random.default_rng(0)
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        for number in range(COUNT):
            if number <= COUNT // 2:
                image = np.full((32, 48, 3), 60.0)
                image[:, 24:] = 240
                image += rng.normal(0, 2, image.shape)
            pixels = image.clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _images(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([to_rgb(frame) for frame in container.decode(video=0)])


@pytest.mark.parametrize("threads", [1, 3])
def test_highlights_go_and_nothing_else_changes(
    source: Path, tiny_weights: Path, threads: int
) -> None:
    target, told = source.with_name("out.mkv"), []
    remover = Remover(weights=tiny_weights)
    film.remove(source, target, remover, threads=threads, progress=lambda *a: told.append(a))
    before, after = _images(source), _images(target)
    assert np.array_equal(after[:, :, :20], before[:, :, :20])
    expected = remover(np.ascontiguousarray(before[0]))
    assert np.abs(after[:, :, 28:] - expected[:, 28:]).mean() < 0.02
    assert [done for done, _ in told] == list(range(1, COUNT + 1))


def test_strength_and_images_that_repeat(source: Path, tiny_weights: Path) -> None:
    target = source.with_name("out.mkv")
    remover = Remover(weights=tiny_weights)
    calls = []
    original = remover.analyse

    def analyse(image: Any) -> Any:
        calls.append(1)
        return original(image)

    remover.analyse = analyse  # type: ignore[method-assign]
    film.remove(source, target, remover, 0.0)
    assert np.array_equal(_images(target), _images(source))
    # The second half repeats one image, which is looked at once.
    assert len(calls) == COUNT // 2 + 1


def test_the_command(source: Path, tiny_weights: Path) -> None:
    target = source.with_name("out.mkv")
    command = ["video", str(source), "-o", str(target), "--weights", str(tiny_weights)]
    result = CliRunner().invoke(app, [*command, "--trim", "0:00.04-0:00.2", "-j", "2"])
    assert (result.exit_code, result.output) == (0, "")
    assert len(_images(target)) == 4
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert again.stderr == f"unshine: {target}: the file exists already; --overwrite replaces it.\n"
    assert CliRunner().invoke(app, [*command, "--trim", "9-5"]).exit_code == 2
    missing = CliRunner().invoke(app, ["video", "none.mp4", "-o", str(target), "--overwrite"])
    assert missing.exit_code == 1
    assert missing.stderr == "unshine: none.mp4: there is no such file.\n"
