"""Films: their images change, everything else in the file stays."""

import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unshine.errors import UnshineError
from unshine.io.frames import add_correction, to_rgb
from unshine.io.video import Info, Trim, rewrite

av = pytest.importorskip("av")

SIZE = (96, 64)


def _film(
    path: Path,
    codec: str = "libx264",
    format: str = "yuv420p",
    times: tuple[int, ...] = tuple(range(0, 1000, 40)),
    sound: str | None = None,
    **tags: Any,
) -> Path:
    """Make a film of a moving gradient; times are milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        context = stream.codec_context
        context.width, context.height = SIZE
        context.pix_fmt, context.time_base = format, Fraction(1, 1000)
        for name, value in tags.pop("context", {}).items():
            setattr(context, name, value)
        if codec == "libx265":
            context.options = {"x265-params": "log-level=none"}
        if "matrix" in tags:
            stream.set_display_matrix(tags["matrix"])
        container.metadata.update(tags.get("metadata", {}))
        if "chapters" in tags:
            container.set_chapters(tags["chapters"])
        audio = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number, time in enumerate(times):
            ramp = np.linspace(0, 255, SIZE[0])[None, :, None] + 2 * number
            pixels = (ramp + np.zeros((SIZE[1], 1, 3))).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=format)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            wave = np.sin(np.arange(48000) / 20).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, 0
            resampler = av.AudioResampler(audio.codec_context.format, "mono", 48000)
            for part in resampler.resample(frame):
                container.mux(audio.encode(part))
            container.mux(audio.encode(None))
    return path


def _same(info: Info, frames: Iterator[Any]) -> Iterator[Any]:
    yield from frames


def _darker(info: Info, frames: Iterator[Any]) -> Iterator[Any]:
    for frame in frames:
        image = to_rgb(frame)
        add_correction(frame, np.where(image > 0.5, -0.25, 0).astype(np.float32))
        yield frame


def _frames(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def _times(path: Path) -> list[float]:
    return [round(float(frame.pts * frame.time_base), 4) for frame in _frames(path)]


def _packets(path: Path, kind: str) -> list[tuple[bytes, float]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(bytes(p), float(p.pts * p.time_base)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize(
    ("codec", "format", "ending"),
    [
        ("libx264", "yuv420p", ".mp4"),
        ("libx264", "yuv444p10le", ".mkv"),
        ("libx265", "yuv420p10le", ".mp4"),
        ("libvpx-vp9", "yuv420p", ".webm"),
        ("mjpeg", "yuvj422p", ".avi"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("ffv1", "bgr0", ".mkv"),
        ("libx264", "gray", ".mp4"),
    ],
)
def test_codec_depth_and_images_stay(tmp_path: Path, codec: str, format: str, ending: str) -> None:
    source = _film(tmp_path / f"in{ending}", codec, format)
    target = tmp_path / f"out{ending}"
    assert rewrite(source, target, _same, rate_factor=1) == []
    before, after = _frames(source), _frames(target)
    assert [frame.format.name for frame in after] == [frame.format.name for frame in before]
    assert _times(target) == _times(source)
    with av.open(str(source)) as a, av.open(str(target)) as b:
        names = [x.streams.video[0].codec_context.codec.canonical_name for x in (a, b)]
        assert names[0] == names[1]
    difference = np.abs(to_rgb(before[5]) - to_rgb(after[5]))
    assert difference.mean() < 0.01


def test_a_lossless_film_keeps_every_bit_where_nothing_changes(tmp_path: Path) -> None:
    for format in ("yuv420p", "yuv444p10le", "bgr0"):
        source = _film(tmp_path / f"{format}.mkv", "ffv1", format)
        target = tmp_path / f"{format}-out.mkv"

        def right_half(info: Info, frames: Iterator[Any]) -> Iterator[Any]:
            for frame in frames:
                change = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
                change[:, SIZE[0] // 2 :] = -0.1
                add_correction(frame, change)
                yield frame

        rewrite(source, target, right_half)
        half = SIZE[0] // 2
        for before, after in zip(_frames(source), _frames(target), strict=True):
            a, b = (frame.to_ndarray(format="rgb24").astype(int) for frame in (before, after))
            assert np.array_equal(a[:, : half - 4], b[:, : half - 4])
            inner = (a[:, half + 4 :] > 40) & (a[:, half + 4 :] < 250)
            change = (b - a)[:, half + 4 :][inner]
            assert np.abs(change + 25.5).max() < 5


def test_values_are_those_that_ffmpeg_shows(tmp_path: Path) -> None:
    for space, number in (("bt709", 1), ("bt470bg", 5)):
        context = {"colorspace": number, "color_range": 1}
        source = _film(tmp_path / f"{space}.mkv", "ffv1", "yuv444p", context=context)
        frame = _frames(source)[3]
        shown = frame.reformat(format="rgb24", src_colorspace=number).to_ndarray() / 255
        assert np.abs(to_rgb(frame) - shown).max() < 0.02, space


def test_uneven_times_stay(tmp_path: Path) -> None:
    times = (0, 33, 50, 120, 121, 400, 900)
    source = _film(tmp_path / "in.mkv", times=times)
    rewrite(source, tmp_path / "out.mkv", _same)
    assert _times(tmp_path / "out.mkv") == [time / 1000 for time in times]


def test_sound_chapters_metadata_rotation_and_colour_tags_stay(tmp_path: Path) -> None:
    matrix = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30]
    chapter = {
        "id": 1,
        "start": 0,
        "end": 500,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": "One"},
    }
    source = _film(
        tmp_path / "in.mp4",
        sound="aac",
        matrix=matrix,
        chapters=[chapter],
        metadata={"title": "A film"},
        context={"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1},
    )
    target = tmp_path / "out.mp4"
    assert rewrite(source, target, _darker) == []
    assert _packets(target, "audio") == _packets(source, "audio")
    assert _frames(target)[0].rotation == _frames(source)[0].rotation != 0
    with av.open(str(target)) as film:
        assert film.metadata["title"] == "A film"
        assert [chapter["metadata"]["title"] for chapter in film.chapters()] == ["One"]
        context = film.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc)
        assert [int(tag) for tag in tags] == [1, 1, 1]
        assert film.streams.video[0].average_rate == 25


def test_images_change_as_asked(tmp_path: Path) -> None:
    source = _film(tmp_path / "in.mp4")
    rewrite(source, tmp_path / "out.mp4", _darker, rate_factor=1)
    before, after = (to_rgb(_frames(tmp_path / name)[0]) for name in ("in.mp4", "out.mp4"))
    bright, dark = before.min(-1) > 0.55, before.max(-1) < 0.4
    assert abs((after - before)[bright].mean() + 0.25) < 0.02
    assert abs((after - before)[dark].mean()) < 0.01


def test_a_part(tmp_path: Path) -> None:
    source = _film(tmp_path / "in.mp4", sound="aac")
    rewrite(source, tmp_path / "out.mp4", _same, Trim(0.2, 0.6))
    assert _times(tmp_path / "out.mp4") == [round(0.04 * n, 4) for n in range(10)]
    sound = _packets(tmp_path / "out.mp4", "audio")
    assert {data for data, _ in sound} <= {data for data, _ in _packets(source, "audio")}
    assert 0 <= sound[0][1] < 0.03
    with pytest.raises(UnshineError, match="no images in this part"):
        rewrite(source, tmp_path / "none.mp4", _same, Trim(5, 6))
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1-2", (1, 2)), ("0:05-1:00:00.5", (5, 3600.5)), ("-3", (0, 3)), ("7-", (7, float("inf")))],
)
def test_times_are_read(text: str, expected: tuple[float, float]) -> None:
    assert Trim.parse(text) == expected


@pytest.mark.parametrize("text", ["", "5", "x-y", "3-2", "1-1"])
def test_nonsense_is_no_part(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Trim.parse(text)


def test_what_cannot_be_kept_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    hdr = _film(
        tmp_path / "hdr.mkv", "libx265", "yuv420p10le",
        context={"color_trc": 16, "color_primaries": 9, "colorspace": 9},
    )  # fmt: skip
    sound = _film(tmp_path / "sound.mp4", sound="aac")
    (tmp_path / "no.mp4").write_text("no film")
    (tmp_path / "empty.mp4").touch()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(_film(tmp_path / "whole.mp4").read_bytes()[:900])
    before = sorted(tmp_path.iterdir())
    for source, target, words in (
        (hdr, "a.mkv", "HDR"),
        (sound, "a.webm", "cannot hold this film's sound"),
        (sound, "a.xyz", "ending"),
        (tmp_path / "no.mp4", "a.mp4", "no film"),
        (tmp_path / "empty.mp4", "a.mp4", "no film"),
        (tmp_path / "missing.mp4", "a.mp4", "no such file"),
        (cut, "a.mp4", "damaged"),
        (sound, "no.mp4", "exists already"),
    ):
        with pytest.raises(UnshineError, match=words):
            rewrite(source, tmp_path / target, _same)
    assert sorted(tmp_path.iterdir()) == before


def test_who_interrupts_leaves_nothing(tmp_path: Path) -> None:
    source = _film(tmp_path / "in.mp4", sound="aac")

    def interrupted(info: Info, frames: Iterator[Any]) -> Iterator[Any]:
        yield next(frames)
        yield next(frames)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(source, tmp_path / "out.mp4", interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_ffprobe_has_nothing_to_complain_of(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "libx264"), ("b.mkv", "libx265"), ("c.mov", "prores_ks")):
        format = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        sound = "pcm_s16le" if name == "c.mov" else "aac"
        source = _film(tmp_path / f"in_{name}", codec, format, sound=sound)
        rewrite(source, tmp_path / name, _darker)
        command = ["ffprobe", "-v", "warning", "-count_frames", str(tmp_path / name)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert result.stderr == ""
