"""Which images are meant by files, folders and patterns."""

import os
import socket
from pathlib import Path

import pytest

from unshine.jobs.inputs import Found, fault, find, is_pipe

ENDINGS = (".jpg", ".png", ".cr2", ".heic", ".jfif", ".avif")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def _found(found: Found) -> dict[str, str]:
    return {source.path.as_posix(): source.relative.as_posix() for source in found.sources}


def test_a_named_file_is_taken_whatever_it_ends_in() -> None:
    found = find(["deep/notes.txt"], ENDINGS)
    assert _found(found) == {"deep/notes.txt": "notes.txt"}
    assert not found.several
    assert found.sources[0].named


def test_a_folder_gives_its_images_and_counts_everything_else() -> None:
    _touch("in/b.PNG", "in/a.jpg", "in/x.txt", "in/y.txt", "in/README", "in/deep/c.png")
    found = find(["in"], ENDINGS)
    assert _found(found) == {"in/a.jpg": "a.jpg", "in/b.PNG": "b.PNG"}
    assert found.several
    assert not found.sources[0].named
    assert found.left_out == {".txt": 2, "no ending": 1}
    assert found.folders == 1
    assert found.problems == []


def test_recursion_keeps_the_tree() -> None:
    _touch("in/a.jpg", "in/day1/b.jpg", "in/day1/deep/c.png", "in/day2/a.jpg", "in/day2/a.xmp")
    found = find(["in/"], ENDINGS, recursive=True)
    assert list(_found(found).values()) == ["a.jpg", "day1/b.jpg", "day1/deep/c.png", "day2/a.jpg"]
    assert found.left_out == {".xmp": 1}
    assert found.folders == 0


def test_several_folders_keep_their_names_when_their_trees_are_kept() -> None:
    _touch("one/x.jpg", "two/x.jpg")
    assert list(_found(find(["one", "two"], ENDINGS, recursive=True)).values()) == [
        "one/x.jpg",
        "two/x.jpg",
    ]
    assert list(_found(find(["one", "two"], ENDINGS)).values()) == ["x.jpg", "x.jpg"]


def test_what_systems_leave_behind_is_not_even_counted() -> None:
    litter = (".DS_Store", "Thumbs.db", "._a.jpg", ".hidden.jpg", "desktop.ini", "@eaDir/a.jpg")
    _touch("in/a.jpg", *(f"in/{name}" for name in litter), "in/__MACOSX/a.jpg", "in/.git/a.jpg")
    found = find(["in"], ENDINGS, recursive=True)
    assert list(_found(found)) == ["in/a.jpg"]
    assert not found.left_out
    assert found.folders == 0
    # A shell that resolves `in/*` names them; alone, such a file would be meant.
    assert list(_found(find(["in/a.jpg", "in/Thumbs.db"], ENDINGS))) == ["in/a.jpg"]
    assert list(_found(find(["in/Thumbs.db"], ENDINGS))) == ["in/Thumbs.db"]


def test_patterns() -> None:
    _touch("in/a.jpg", "in/b.png", "in/n.txt", "in/.c.jpg", "in/deep/d.jpg", "f[1].jpg", "f1.jpg")
    assert list(_found(find(["in/*.jpg"], ENDINGS))) == ["in/a.jpg"]
    # A file of that very name is meant before a pattern is.
    assert list(_found(find(["f[1].jpg"], ENDINGS))) == ["f[1].jpg"]
    assert list(_found(find(["f[12].jpg"], ENDINGS))) == ["f1.jpg"]
    everything = find(["in/*"], ENDINGS)
    assert _found(everything) == {"in/a.jpg": "a.jpg", "in/b.png": "b.png"}
    assert everything.left_out == {".txt": 1}
    assert everything.folders == 1
    assert "in/deep/d.jpg" in _found(find(["in/*"], ENDINGS, recursive=True))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/**/*.jpg", {"in/a.jpg": "a.jpg", "in/day1/b.jpg": "day1/b.jpg"}),
        ("in/**", {"in/a.jpg": "a.jpg", "in/day1/b.jpg": "day1/b.jpg", "in/z.png": "z.png"}),
        ("**/day?/[!a].jpg", {"in/day1/b.jpg": "in/day1/b.jpg"}),
        ("in/day[0-9]/*.jpg", {"in/day1/b.jpg": "day1/b.jpg"}),
        ("in/**/day1/**/b.*", {"in/day1/b.jpg": "day1/b.jpg"}),
    ],
)
def test_patterns_with_any_number_of_folders(pattern: str, expected: dict[str, str]) -> None:
    _touch("in/a.jpg", "in/z.png", "in/day1/b.jpg", "in/.hidden/c.jpg")
    assert _found(find([pattern], ENDINGS, recursive=True)) == expected
    flat = _found(find([pattern], ENDINGS))
    assert flat == {path: Path(path).name for path in expected}


def test_one_file_with_two_names_is_two_images_and_one_name_twice_is_one() -> None:
    _touch("in/a.jpg")
    os.symlink("a.jpg", "in/b.jpg")
    os.link("in/a.jpg", "in/c.jpg")
    names = ["in", "in/a.jpg", "./in/../in/a.jpg", os.path.abspath("in/a.jpg")]
    assert list(_found(find(names, ENDINGS))) == ["in/a.jpg", "in/b.jpg", "in/c.jpg"]


def test_loops_of_links_end() -> None:
    _touch("in/deep/a.jpg")
    os.symlink("..", "in/deep/up")
    os.symlink("../deep", "in/deep/self")
    os.symlink("loop.jpg", "in/loop.jpg")
    for names in (["in"], ["in/**/*.jpg"]):
        found = find(names, ENDINGS, recursive=True)
        # The link that leads to itself is a name of an image; reading it will say what is wrong.
        assert list(_found(found)) == ["in/loop.jpg", "in/deep/a.jpg"]


def test_linked_folders_are_looked_into() -> None:
    _touch("store/a.jpg")
    Path("in").mkdir()
    os.symlink("../store", "in/linked")
    found = find(["in"], ENDINGS, recursive=True)
    assert _found(found) == {"in/linked/a.jpg": "linked/a.jpg"}


def test_earlier_results_are_avoided() -> None:
    _touch("a.jpg", "clean/a.jpg", "other/clean/b.jpg")
    found = find(["."], ENDINGS, recursive=True, avoid=Path("clean"))
    assert list(_found(found).values()) == ["a.jpg", "other/clean/b.jpg"]
    # Someone who names that folder means it.
    assert list(_found(find(["clean"], ENDINGS, avoid=Path("clean")))) == ["clean/a.jpg"]


def test_names_that_lead_to_no_image_are_told() -> None:
    Path("empty").mkdir()
    _touch("nested/deep/a.jpg", "words/a.txt")
    found = find(["empty", "nested", "words", "*.tif"], ENDINGS)
    assert found.problems == [
        "empty: there are no images in this folder.",
        "nested: there are no images in this folder itself, only folders.",
        "words: there are no images in this folder.",
        "*.tif: no file has such a name.",
    ]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read() -> None:
    _touch("in/a.jpg", "in/closed/b.jpg")
    Path("in/closed").chmod(0)
    found = find(["in"], ENDINGS, recursive=True)
    Path("in/closed").chmod(0o700)
    assert list(_found(found)) == ["in/a.jpg"]
    assert found.problems == ["in/closed: the folder cannot be read (Permission denied)."]


def test_devices_and_sockets_are_no_image_files() -> None:
    assert fault(Path("/dev/zero")) == "/dev/zero: this is a device, not an image file."
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        assert "socket" in (fault(Path("s.png")) or "")
    _touch("a.png")
    os.mkfifo("pipe.png")
    for name in ("a.png", "missing.png", "pipe.png"):
        assert fault(Path(name)) is None
    assert is_pipe(Path("pipe.png"))
    assert not is_pipe(Path("a.png"))
