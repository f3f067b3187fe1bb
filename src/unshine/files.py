"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from unshine.errors import UnshineError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_MARK = ".unshine-"
"""What the names of temporary files start with."""


@contextmanager
def writing(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give the path of a temporary file beside `path`, which becomes it when the block ends well.

    Nobody ever sees a file that is half written: if the block raises, or the program is killed,
    what had the name before is still there. After an exception the temporary file is gone.

    Parameters
    ----------
    path : path
        The file to write; its folder must be there.
    overwrite : bool
        Whether a file of that name may be replaced.

    Yields
    ------
    Path
        An empty file in the same folder, hidden, with the same ending.

    Raises
    ------
    UnshineError
        If the file exists already, is a folder, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with writing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    # Short, so that a name of the greatest length has room; the ending tells libraries the format.
    temporary = path.with_name(f"{_MARK}{secrets.token_hex(6)}.part{path.suffix}")
    try:
        _refuse(path, overwrite)
        # Open as long as it is written, for `remove_leftovers` to know.
        with temporary.open("xb") as mark:
            with suppress(OSError):  # not every file system has locks
                _lock(mark)
            mode = temporary.stat().st_mode
            yield temporary
        # Some libraries make their files private or read-only.
        temporary.chmod(mode)
        _refuse(path, overwrite)
        os.replace(temporary, path)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(path), temporary, path):
            raise
        raise UnshineError(f"{path}: {_reason(path, error)}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: str | Path, text: str, overwrite: bool = True) -> None:
    """Write a text file, UTF-8 with the same line ends everywhere, by way of `writing`."""
    with writing(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files that killed programs have left in a folder.

    Those that a program is writing stay.

    Parameters
    ----------
    folder : path
        If it is not there, or may not be written to, nothing happens.
    """
    with suppress(OSError):
        leftovers = [path for path in Path(folder).iterdir() if path.name.startswith(_MARK)]
        for path in leftovers:
            with suppress(OSError):
                with path.open("rb") as file:
                    _lock(file)
                path.unlink()


def _lock(file: IO[bytes]) -> None:
    """Lock a file, or raise OSError if it is in use; whoever dies lets go of it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _refuse(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise UnshineError(f"{path}: a folder has this name; choose another output.")
    if not overwrite and os.path.lexists(path):
        raise UnshineError(f"{path}: the file exists already; overwrite=True replaces it.")


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the folder {path.parent} does not exist"
    if isinstance(error, PermissionError):
        return "you have no permission to write here"
    return f"the file cannot be written ({error.strerror or error})"
