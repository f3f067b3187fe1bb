"""Whatever is wrong with a file: one sentence, nothing left behind, memory bounded."""

import os
import resource
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import made
import numpy as np
import pytest

from unshine.errors import UnshineError
from unshine.io import stills
from unshine.io.stills import Still

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def _sentence(source: Path | bytes) -> str:
    with pytest.raises(UnshineError) as info:
        stills.read(source)
    text = str(info.value)
    assert "\n" not in text
    assert text.endswith(".")
    if isinstance(source, Path):
        assert text.startswith(str(source))
    return text


def test_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    assert "device" in _sentence(Path("/dev/zero"))
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    assert "pipe" in _sentence(pipe)


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    loop, other, dangling = (tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg"))
    loop.symlink_to(other)
    other.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nothing.jpg")
    assert "cannot be read" in _sentence(loop)
    assert "no such file" in _sentence(dangling)
    target = tmp_path / "real.png"
    target.write_bytes(made.png(made.pixels(4, 4, 3)))
    link = tmp_path / "d.png"
    link.symlink_to(target)
    assert stills.read(link).size == (4, 4)


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    assert "cannot be read" in _sentence(tmp_path / ("long" * 200 + ".png"))
    assert "cannot be read" in _sentence(Path("a\0b.png"))


def test_files_under_wrong_names_are_read_as_what_they_are(tmp_path: Path) -> None:
    for name, data in (
        ("a.jpg", made.png(made.pixels(4, 4, 4))),
        ("b.png", made.jpeg(made.pixels(8, 8))),
    ):
        (tmp_path / name).write_bytes(data)
    assert stills.read(tmp_path / "a.jpg").kind == "png"
    assert stills.read(tmp_path / "b.png").kind == "jpeg"
    (tmp_path / "text.png").write_text("This is no image.")
    assert "not a JPEG, PNG" in _sentence(tmp_path / "text.png")


def _bombs() -> dict[str, bytes]:
    """Small files that say they are 60,000² pixels."""
    side = 60_000
    png = bytearray(made.png(made.pixels(4, 4, 3)))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png[8:33] = made.png_chunk(b"IHDR", head)
    jpeg = bytearray(made.jpeg(made.pixels(8, 8, 3)))
    at = jpeg.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", jpeg, at, side, side)
    bmp = bytearray(made.saved(made.pixels(4, 4, 3), "BMP"))
    struct.pack_into("<ii", bmp, 18, side, side)
    tiff = bytearray(made.saved(made.pixels(4, 4, 3), "TIFF"))
    for tag in (256, 257):
        at = tiff.index(struct.pack("<HHI", tag, 4, 1)) + 8
        struct.pack_into("<I", tiff, at, side)
    return {"png": bytes(png), "jpeg": bytes(jpeg), "bmp": bytes(bmp), "tiff": bytes(tiff)}


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff"])
def test_bombs_are_refused_by_their_headers(kind: str) -> None:
    assert "60000 × 60000 pixels, more than" in _sentence(_bombs()[kind])


def test_bombs_below_the_limit_cost_no_memory() -> None:
    head = struct.pack(">IIBBBBB", 15_000, 15_000, 8, 2, 0, 0, 0)
    data = made.png(made.pixels(4, 4, 3))
    data = data[:8] + made.png_chunk(b"IHDR", head) + data[33:]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "too short for its size" in _sentence(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_deep_images_cannot_be_larger_than_their_file_can_hold() -> None:
    """A mutant that took 1.2 GB: 48 million pixels of 64 bits in 6 kB."""
    head = struct.pack(">IIBBBBB", 30, 1_604_974, 16, 6, 0, 0, 0)
    data = made.png(made.pixels(24, 30, 4, dtype=np.uint16))
    assert "too short for its size" in _sentence(
        data[:8] + made.png_chunk(b"IHDR", head) + data[33:]
    )


def test_the_limit_is_the_caller_s() -> None:
    data = made.png(made.pixels(20, 30, 3))
    assert stills.read(data, max_pixels=600).size == (30, 20)
    with pytest.raises(UnshineError, match="30 × 20 pixels"):
        stills.read(data, max_pixels=599)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (1, 16_000, 3), (16_000, 1, 3)])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "bmp", "tiff"])
def test_odd_shapes(shape: tuple[int, ...], kind: str) -> None:
    pixels = made.pixels(*shape)
    still = stills.read(stills.encode(Still(pixels), kind))
    assert still.pixels.shape[:2] == shape[:2]


def test_too_long_for_a_kind_is_said_so() -> None:
    pixels = made.pixels(1, 70_000, 3)
    for kind in ("jpeg", "webp"):
        with pytest.raises(UnshineError, match="cannot be written as"):
            stills.encode(Still(pixels), kind)
    assert stills.read(stills.encode(Still(pixels), "png")).size == (70_000, 1)


def test_animated_gifs() -> None:
    assert "not a JPEG" in _sentence(made.seeds()["gif"])


def test_an_idat_bomb_is_not_inflated() -> None:
    data = made.png(made.pixels(4, 4, 3))
    bomb = made.png_chunk(b"IDAT", zlib.compress(bytes(2**27)))
    start = data.index(b"IDAT") - 4
    still = stills.read(data[:start] + bomb + data[-12:])
    assert still.size == (4, 4)
    assert not still.pixels.any()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(made.png(made.pixels(4, 4, 3)))
    path.chmod(0)
    assert "no permission" in _sentence(path)
    path.chmod(stat.S_IRUSR)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(UnshineError, match="no permission"):
            stills.write(stills.read(path), tmp_path / "b.png")
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: writing fails in the middle."""
    program = (
        "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
        "from unshine.errors import UnshineError; from unshine.io import stills\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)\n"
        "try: stills.write(stills.Still(noise), Path(sys.argv[1]) / 'a.png')\n"
        "except UnshineError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    assert "a.png: the file cannot be written (File too large)" in run.stdout
    assert os.listdir(tmp_path) == []


def test_a_source_that_has_changed_is_not_copied(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.png", tmp_path / "b.png"
    path.write_bytes(made.png(made.pixels(4, 4, 3)))
    still = stills.read(path)
    path.write_bytes(made.png(made.pixels(9, 9, 3, seed=5)))
    assert not stills.write(still, copy).copied
    assert np.array_equal(stills.read(copy).pixels, still.pixels)
    path.unlink()
    assert not stills.write(still, copy, overwrite=True).copied


def test_a_file_may_be_written_over_its_own_source(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = made.png(made.pixels(4, 4, 3))
    path.write_bytes(data)
    stills.write(stills.read(path), path, overwrite=True)
    assert path.read_bytes() == data


def test_time_is_kept_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(made.png(made.pixels(4, 4, 3)))
    os.utime(path, ns=(10**18, 10**18))
    still = stills.read(path)
    stills.write(still, tmp_path / "b.png", source_time=True)
    assert (tmp_path / "b.png").stat().st_mtime_ns == 10**18
    stills.keep_time(still, tmp_path / "missing.png")


def test_options_that_cannot_be_meant() -> None:
    still = Still(made.pixels(4, 4, 3))
    with pytest.raises(UnshineError, match="between 1 and 100"):
        stills.encode(still, "jpeg", quality=101)
    with pytest.raises(UnshineError, match="JPEG files have 8 bits, not 16"):
        stills.encode(still, "jpeg", bit_depth=16)
    with pytest.raises(UnshineError, match="8 or 16 bits, not 12"):
        stills.encode(still, "png", bit_depth=12)


def test_mutated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 of those that benchmarks/mutated_files.py has 5,000 of."""
    for library in ("tifffile", "imagecodecs", "pillow_heif", "rawpy", "OpenEXR"):
        pytest.importorskip(library)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import mutated_files

    images = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _, name, data in mutated_files.mutants(500, seed=0):
        images += mutated_files.tried(data, name, tmp_path) == "image"
    # Some survive: the files are not damaged beyond all use.
    assert 50 < images < 450
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20
