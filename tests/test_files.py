import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from unshine.errors import UnshineError
from unshine.files import remove_leftovers, write_text, writing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    with writing(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.png"]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), writing(target, overwrite=True) as temporary:
        temporary.write_text("new")
        1 / 0  # noqa: B018
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(UnshineError, match="exists already"), writing(target):
        pytest.fail("nothing needs to be written")
    assert target.read_text() == "old"
    write_text(target, "new")
    assert target.read_text() == "new"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(UnshineError, match="exists already"), writing(target):
        target.write_text("somebody else's")
    assert target.read_text() == "somebody else's"
    assert names(tmp_path) == ["a.txt"]


def test_libraries_may_make_their_files_private(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with writing(tmp_path / "a") as temporary:
        temporary.chmod(0o400)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_names_of_the_greatest_length(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 251 + ".png")
    with writing(target):
        pass
    assert target.exists()


def test_what_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnshineError, match="a folder has this name"), writing(tmp_path / "folder"):
        pass
    with pytest.raises(UnshineError, match="does not exist"), writing(tmp_path / "no" / "a"):
        pass
    if os.name == "posix":
        too_long = tmp_path / ("x" * 300)
        with pytest.raises(UnshineError, match="cannot be written") as error, writing(too_long):
            pass
        assert "\n" not in str(error.value)


def test_errors_about_other_files_are_not_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing(tmp_path / "a"):
        (tmp_path / "other").read_text()
    assert names(tmp_path) == []


def test_what_a_killed_program_left_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    program = f"""
import os, signal
from unshine.files import writing
with writing({str(tmp_path / "a.png")!r}) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    (left,) = names(tmp_path)
    assert left.endswith(".part.png")
    with writing(tmp_path / "b.png") as temporary:
        temporary.write_bytes(b"half")
        remove_leftovers(tmp_path)
        assert names(tmp_path) == [temporary.name]
    assert names(tmp_path) == ["b.png"]
    remove_leftovers(tmp_path / "missing")
