"""Films: their images are rewritten, everything else in the file is carried over as it is.

PyAV (FFmpeg's libraries) reads and writes. Sound, subtitles, attachments and data are copied packet
by packet. An image's own planes are kept, and only what is to change is added to them
(`unshine.io.frames`), so that what does not change passes the conversion to RGB and back without a
trace.
"""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from unshine import extras, files
from unshine.errors import UnshineError
from unshine.io.frames import display_matrix, is_transparent, planar_format

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".3gp")
"""What names of films usually end in; whatever FFmpeg knows is read."""

_ENCODERS = {
    "h264": ("libx264", "libx264rgb"), "hevc": ("libx265",), "vp9": ("libvpx-vp9",),
    "vp8": ("libvpx",), "av1": ("libsvtav1",), "mpeg4": ("mpeg4",), "mjpeg": ("mjpeg",),
    "prores": ("prores_ks",), "ffv1": ("ffv1",),
}  # fmt: skip
"""FFmpeg's encoders of the codecs that are written again as they were; others become H.264."""
_RATE_FACTORS = {
    "libx264": 0,
    "libx264rgb": 0,
    "libx265": 3,
    "libvpx-vp9": 8,
    "libvpx": 0,
    "libsvtav1": 10,
}
"""Encoders with a constant rate factor, and how much more than x264's means as much in theirs."""
_FALLBACKS = ("h264", "vp9", "ffv1", "mpeg4")
_HDR = {16: "PQ", 18: "HLG"}
_MP4 = (".mp4", ".m4v", ".mov", ".3gp")
_ANY_ORIGIN = ("mpegts", "mpeg")
_FRAME_DURATION = 1 << 8
"""FFmpeg's flag that lets each image keep its own duration."""
_PACKED = {"gbrp": ("bgr0", "rgb24")}
"""Formats that hold the same values in another order, for encoders that want that."""
_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")


class Trim(NamedTuple):
    """A part of a film, in seconds from its beginning."""

    start: float = 0
    end: float = float("inf")

    @classmethod
    def parse(cls, text: str) -> "Trim":
        """Read ``START-END``; either may be left out, and is seconds, m:ss or h:mm:ss.

        Raises
        ------
        ValueError
            If it is nothing like that, or ends before it starts.

        Examples
        --------
        >>> Trim.parse("1:05-90.5")
        Trim(start=65.0, end=90.5)
        >>> Trim.parse("0:10-")
        Trim(start=10.0, end=inf)
        """
        start, dash, end = text.strip().partition("-")
        if not dash:
            raise ValueError(f"{text!r} is not START-END, such as 0:05-0:12.5.")
        trim = cls(_seconds(start, 0), _seconds(end, float("inf")))
        if not trim.start < trim.end:
            raise ValueError(f"{text!r} ends before it starts.")
        return trim


class Info(NamedTuple):
    """What is known of a film before its images are read."""

    width: int
    height: int
    images: int
    """About how many; 0 if the file does not say."""


def rewrite(
    source: Path,
    target: Path,
    change: Callable[[Info, Iterator[Any]], Iterator[Any]],
    trim: Trim | None = None,
    rate_factor: float = 16,
    overwrite: bool = False,
) -> list[str]:
    """Write a film again with changed images.

    The codec stays the source's where it can be written. Timestamps, also uneven ones, rotation,
    frame rate, shape of the pixels, colour tags, chapters and other metadata stay.

    Parameters
    ----------
    source : Path
        Any film that FFmpeg reads.
    target : Path
        The film to write; its ending says which container.
    change : callable
        From the film's `Info` and its frames (PyAV's `VideoFrame`), in their order, to the same
        frames, changed by `frames.add_correction`. It may ask for some frames ahead.
    trim : Trim, optional
        The part to write. Sound and subtitles are cut at the next packet.
    rate_factor : float
        Quality as x264 counts it: 0 is best, 51 worst; 16 is hard to tell from the source.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    list of str
        In words, what could not be kept.

    Raises
    ------
    UnshineError
        If the film is damaged, HDR, interlaced or has transparency, if its sound or subtitles have
        no place in the target's container, or if the file cannot be written. Nothing is left then.
    """
    av = extras.load("av", "video")
    os.environ.setdefault("SVT_LOG", "1")  # one encoder talks on stderr otherwise
    try:
        with av.open(str(source)) as film:
            first = _first_frame(film, source)
        options = {"movflags": "+faststart"} if target.suffix.lower() in _MP4 else {}
        with (
            files.writing(target, overwrite) as temporary,
            av.open(str(source)) as film,
            av.open(str(temporary), "w", options=options) as copy,
        ):
            rewriting = _Rewriting(film, copy, target, trim or Trim())
            rewriting.prepare(first, rate_factor)
            rewriting.run(change)
            return rewriting.lost
    except av.error.InvalidDataError as error:
        raise UnshineError(f"{source}: this is no film, or a damaged one.") from error
    except av.error.FileNotFoundError as error:
        raise UnshineError(f"{source}: there is no such file.") from error
    except av.error.FFmpegError as error:
        reason = error.strerror or str(error)
        raise UnshineError(f"{source}: this film cannot be written again ({reason}).") from error
    except ValueError as error:
        if "output format" not in str(error):
            raise
        raise UnshineError(f"{target}: no container has this ending; .mp4 and .mkv do.") from error


class _Rewriting:
    """A film that is open, and its copy."""

    def __init__(self, film: Any, copy: Any, target: Path, trim: Trim) -> None:
        self.film, self.copy, self.target, self.trim = film, copy, target, trim
        self.lost: list[str] = []
        self.video = _moving(film)[0]
        self.video.thread_type = "AUTO"
        start = Fraction(film.start_time or 0, 10**6)
        # A whole film keeps its very timestamps, unless its kind begins at any time of day.
        shifted = trim != Trim() or film.format.name in _ANY_ORIGIN
        self.begin = start + _exactly(trim.start) if trim.start else None
        self.end = start + _exactly(trim.end) if trim.end < float("inf") else None
        self.shift = self.begin or start if shifted else Fraction(0)
        self.sources: list[Any] = []
        """Streams whose packets are copied."""
        self.copied: dict[int, Any] = {}
        """Their copies, by their index."""

    def prepare(self, first: Any, rate_factor: float) -> None:
        """Make the copy's streams; nothing is written yet."""
        tags = {k: v for k, v in self.film.metadata.items() if k not in _CONTAINER_TAGS}
        self.copy.metadata.update(tags)
        name, self.format, self.stored = self._choose_encoder(first)
        self.out = self.copy.add_stream(name, rate=self.video.average_rate)
        encoder, decoder = self.out.codec_context, self.video.codec_context
        encoder.width, encoder.height, encoder.pix_fmt = first.width, first.height, self.stored
        encoder.time_base = self.out.time_base = self.video.time_base
        if shape := self.video.sample_aspect_ratio:
            encoder.sample_aspect_ratio = shape
        for tag in ("color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(encoder, tag, getattr(decoder, tag))
        encoder.options = _options(name, rate_factor)
        encoder.flags |= _FRAME_DURATION
        if matrix := display_matrix(first):
            self.out.set_display_matrix(matrix)
        self.out.metadata.update(self.video.metadata)
        self.out.disposition = self.video.disposition
        self._copy_streams()
        self._copy_chapters()

    def _choose_encoder(self, first: Any) -> tuple[str, str, str]:
        """Return an encoder, the format in which images are changed and that which it takes."""
        from av.codec.codec import Codec, UnknownCodecError

        own = self.video.codec_context.codec.canonical_name
        planar = planar_format(first.format)
        for codec in dict.fromkeys((own, *_FALLBACKS)):
            if not self._holds(codec):
                continue
            for name in _ENCODERS.get(codec, ()):
                try:
                    formats = {taken.name for taken in Codec(name, "w").video_formats or ()}
                except UnknownCodecError:  # this build of FFmpeg is without it
                    continue
                for stored in (planar, *_PACKED.get(planar, ())):
                    if stored in formats:
                        if codec != own:
                            self.lost.append(f"the codec {own} (now {codec})")
                        return name, planar, stored
        raise UnshineError(
            f"{self.target}: no encoder here writes {planar} images into {self.target.suffix};"
            " .mkv takes the most."
        )

    def _holds(self, codec: str | None) -> bool:
        """Say if the target's container holds a codec, as far as it knows itself."""
        if self.copy.format.name in _ANY_ORIGIN:  # they name their defaults only, and take more
            return codec is not None
        return codec in self.copy.supported_codecs

    def _copy_streams(self) -> None:
        """Make a stream for everything that is copied as it is."""
        moving = _moving(self.film)
        if len(moving) > 1:
            self.lost.append("further video streams")
        for stream in self.film.streams:
            if stream in moving:
                continue
            codec = stream.codec_context.codec.canonical_name if stream.codec_context else None
            if stream.type != "attachment" and not self._holds(codec):
                if stream.type in ("audio", "subtitle"):
                    kind = "sound" if stream.type == "audio" else "subtitles"
                    raise UnshineError(
                        f"{self.target}: {self.target.suffix} files cannot hold this film's {kind}"
                        f" ({codec}); .mkv files can."
                    )
                # Chapters are such a stream in MP4; they are written as chapters.
                if not self.film.chapters():
                    self.lost.append(f"a stream of {stream.type} ({codec or 'unknown'})")
                continue
            copy = self.copy.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            if stream.type != "attachment":
                self.sources.append(stream)
                self.copied[stream.index] = copy

    def _copy_chapters(self) -> None:
        """Copy the chapters, as far as they are in the part that is written."""
        kept = []
        for chapter in self.film.chapters():
            unit = chapter["time_base"]
            first = max(chapter["start"], round((self.begin or 0) / unit))
            last = chapter["end"]
            if self.end is not None:
                last = min(last, round(self.end / unit))
            if first < last:
                shift = round(self.shift / unit)
                kept.append({**chapter, "start": first - shift, "end": last - shift})
        if kept:
            self.copy.set_chapters(kept)

    def _info(self) -> Info:
        images = self.video.frames
        if (self.begin, self.end) != (None, None) or not images:
            duration = Fraction(self.film.duration or 0, 10**6)
            whole = self.trim.start, min(self.trim.end, float(duration))
            images = max(0, round((whole[1] - whole[0]) * float(self.video.average_rate or 0)))
        return Info(self.video.width, self.video.height, images)

    def run(self, change: Callable[[Info, Iterator[Any]], Iterator[Any]]) -> None:
        """Write everything."""
        if self.begin is not None:
            self.film.seek(int(self.begin * 10**6))
        wrote = False
        for frame in change(self._info(), self._frames()):
            frame = (
                frame if self.stored == frame.format.name else frame.reformat(format=self.stored)
            )
            self.copy.mux(self.out.encode(frame))
            wrote = True
        if not wrote:
            raise UnshineError(f"{self.film.name}: there are no images in this part of the film.")
        self.copy.mux(self.out.encode(None))

    def _frames(self) -> Iterator[Any]:
        """Yield the images, and write on the way whatever else comes along."""
        for packet in self.film.demux(self.video, *self.sources):
            if packet.stream.index == self.video.index:
                for frame in packet.decode():
                    if self._wanted(frame.pts, frame.time_base):
                        yield self._prepared(frame)
            elif packet.dts is not None and self._wanted(packet.pts, packet.time_base):
                shift = round(self.shift / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = self.copied[packet.stream.index]
                self.copy.mux(packet)

    def _prepared(self, frame: Any) -> Any:
        """Make a decoded frame one to be changed and encoded."""
        shift = round(self.shift / frame.time_base)
        if frame.format.name != self.format:
            frame = frame.reformat(format=self.format)
        frame.pts -= shift
        frame.pict_type = 0  # the encoder decides again which images stand by themselves
        return frame

    def _wanted(self, pts: int | None, time_base: Fraction) -> bool:
        if pts is None:
            return self.begin is None and self.end is None
        time = pts * time_base
        return (self.begin is None or time >= self.begin) and (self.end is None or time < self.end)


def _moving(film: Any) -> list[Any]:
    """Return the streams of moving images; a cover is none."""
    from av.stream import Disposition

    cover = Disposition.attached_pic
    return [stream for stream in film.streams.video if not stream.disposition & cover]


def _first_frame(film: Any, source: Path) -> Any:
    """Return the first image, which says more than the file's head; refuse what cannot be kept."""
    moving = _moving(film)
    if not moving:
        raise UnshineError(f"{source}: there are no moving images in this file.")
    first = next(film.decode(moving[0]), None)
    if first is None:
        raise UnshineError(f"{source}: there are no images in this film.")
    if kind := _HDR.get(int(first.color_trc)):
        raise UnshineError(f"{source}: this film is HDR ({kind}), which is not read yet.")
    if first.interlaced_frame:
        raise UnshineError(
            f"{source}: this film is interlaced; make whole images of it first"
            " (ffmpeg -i IN -vf bwdif OUT)."
        )
    if is_transparent(first):
        raise UnshineError(f"{source}: this film has transparency, which could not be kept.")
    return first


def _options(encoder: str, rate_factor: float) -> dict[str, str]:
    """Return an encoder's options for a quality as x264 counts it."""
    if encoder in _RATE_FACTORS:
        options = {"crf": f"{min(rate_factor + _RATE_FACTORS[encoder], 51):g}"}
        if encoder.startswith("libvpx"):
            options |= {"b": "0", "deadline": "good", "cpu-used": "4"}
        if encoder == "libx265":
            options |= {"x265-params": "log-level=error"}
        return options
    if encoder in ("mpeg4", "mjpeg"):
        return {"flags": "+qscale", "global_quality": str(118 * 2)}
    return {}


def _exactly(seconds: float) -> Fraction:
    """Return a time as it was meant: 0.52 is not a binary number."""
    return Fraction(seconds).limit_denominator(10**6)


def _seconds(text: str, default: float) -> float:
    """Read a time: seconds, m:ss or h:mm:ss; the default if there is none."""
    if not text.strip():
        return default
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total
