"""Which images are meant by files, folders and patterns."""

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PIPE = Path("-")
"""As a source the standard input, as a target the standard output."""
LITTER = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "@eadir",
        "__macosx",
        "$recycle.bin",
        "system volume information",
    }
)
"""Files and folders that systems leave among images, lower case; hidden ones come on top."""


@dataclass(frozen=True)
class Source:
    """An image that is to be worked on."""

    path: Path
    relative: Path
    """Where it belongs below a folder of results."""
    named: bool = True
    """Whether it was asked for by its own name, rather than found in a folder."""


@dataclass
class Found:
    """What `find` found."""

    sources: list[Source] = field(default_factory=list)
    several: bool = False
    """Whether the results need a folder, however many sources there are."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many files are no images, by their endings."""
    folders: int = 0
    """How many folders were not looked into."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each name that leads to no image."""


def find(
    names: Collection[str],
    endings: Collection[str],
    recursive: bool = False,
    avoid: Path | None = None,
) -> Found:
    """Turn files, folders and patterns into sources.

    Hidden files and folders and what systems leave behind are passed over. A file of the very name
    is meant before a pattern is. One file with two names in a folder is two sources; the same name
    given twice is one.

    Parameters
    ----------
    names : collection of str
        Files, folders, patterns such as ``day*/**/*.jpg``.
    endings : collection of str
        What names of images in folders end in, lower case, with the dot. Files that are named
        themselves may end in anything.
    recursive : bool
        Whether folders in folders are looked into. Their tree is then kept: `Source.relative` is
        relative to the folder named (or, of several, to the one above), or to a pattern's part
        without wildcards.
    avoid : Path, optional
        A folder of earlier results, which is not looked into on the way.

    Returns
    -------
    Found
        In the order of the names; in folders files first, both sorted.

    Examples
    --------
    >>> find(["no such folder*"], [".jpg"]).problems
    ['no such folder*: no file has such a name.']
    """
    return _Search(names, endings, recursive, avoid).found


class _Search:
    """The state of one call of `find`."""

    def __init__(
        self,
        names: Collection[str],
        endings: Collection[str],
        recursive: bool,
        avoid: Path | None,
    ) -> None:
        self.found = Found(several=len(names) > 1)
        self.endings = frozenset(endings)
        self.recursive = recursive
        self.avoid = None if avoid is None else os.path.realpath(avoid)
        self.seen: set[tuple[str, str]] = set()
        self.parents: dict[str, str] = {}
        # os.path, since pathlib's tests raise where a folder on the way may not be entered.
        self.apart = recursive and sum(os.path.isdir(name) for name in names) > 1
        for name in names:
            if os.path.isdir(name):
                self._add_folder(name)
            elif os.path.lexists(name) or not glob.has_magic(name):
                if len(names) == 1 or Path(name).name.lower() not in LITTER:
                    self._add(Source(Path(name), Path(Path(name).name)))
            else:
                self._add_pattern(name)

    def _add_folder(self, name: str) -> None:
        self.found.several = True
        folder = Path(name)
        above = Path(Path(os.path.realpath(name)).name) if self.apart else Path()
        before = len(self.found.sources), self.found.folders, len(self.found.problems)
        for path in self._walk(folder):
            self._sort_out(path, above / path.relative_to(folder))
        after = len(self.found.sources), self.found.folders, len(self.found.problems)
        if after == before:
            self.found.problems.append(f"{name}: there are no images in this folder.")
        elif after[0] == before[0] and after[2] == before[2]:
            self.found.problems.append(
                f"{name}: there are no images in this folder itself, only folders."
            )

    def _add_pattern(self, pattern: str) -> None:
        self.found.several = True
        before = len(self.found.sources)
        fixed = _fixed_part(pattern)
        for path in self._matches(pattern, fixed):
            if os.path.isdir(path):
                if not self.recursive:
                    self.found.folders += 1
                    continue
                for inner in self._walk(path):
                    self._sort_out(inner, inner.relative_to(fixed))
            else:
                kept = path.relative_to(fixed) if self.recursive else Path(path.name)
                self._sort_out(path, kept)
        if len(self.found.sources) == before:
            self.found.problems.append(f"{pattern}: no file has such a name.")

    def _matches(self, pattern: str, fixed: Path) -> Iterator[Path]:
        """Yield what a pattern matches; `**` by way of `_walk`, which knows loops of links."""
        if "**" not in pattern:
            yield from (Path(match) for match in sorted(glob.glob(pattern)) if not _litter(match))
            return
        wanted = _expression(Path(*Path(pattern).parts[len(fixed.parts) :]))
        for path in self._walk(fixed, deep=True):
            if wanted.fullmatch(path.relative_to(fixed).as_posix()):
                yield path

    def _walk(
        self, folder: Path, deep: bool | None = None, above: frozenset[str] = frozenset()
    ) -> Iterator[Path]:
        """Yield the files of a folder, and of those in it; no folder within itself."""
        deep = self.recursive if deep is None else deep
        real = os.path.realpath(folder)
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if not _litter(entry.name))
        except OSError as error:
            self.found.problems.append(f"{folder}: the folder cannot be read ({error.strerror}).")
            return
        folders = []
        for name in names:
            path = folder / name
            if os.path.isdir(path):
                folders.append(path)
            else:
                yield path
        above = above | {real}
        for path in folders:
            inner = os.path.realpath(path)
            if inner == self.avoid or inner in above:
                continue
            if deep:
                yield from self._walk(path, deep, above)
            else:
                self.found.folders += 1

    def _sort_out(self, path: Path, relative: Path) -> None:
        """Add a file that was found, or count it among those left out."""
        ending = path.suffix.lower()
        if ending not in self.endings:
            self.found.left_out[ending or "no ending"] += 1
        else:
            self._add(Source(path, relative, named=False))

    def _add(self, source: Source) -> None:
        parent = str(source.path.parent)
        if parent not in self.parents:
            self.parents[parent] = os.path.realpath(parent)
        key = self.parents[parent], source.path.name
        if key not in self.seen:
            self.seen.add(key)
            self.found.sources.append(source)


def fault(path: Path) -> str | None:
    """Say in a sentence why a path cannot be an image file, if it cannot.

    Examples
    --------
    >>> fault(Path("/dev/null"))
    '/dev/null: this is a device, not an image file.'
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return None  # reading it says more
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return f"{path}: this is a device, not an image file."
    if stat.S_ISSOCK(mode):
        return f"{path}: this is a socket, not an image file."
    return None


def is_pipe(path: Path) -> bool:
    """Return whether a path is a named pipe, which can be read once and has no size."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _litter(name: str) -> bool:
    name = os.path.basename(name)
    return name.startswith(".") or name.lower() in LITTER


def _fixed_part(pattern: str) -> Path:
    """Return the folder of a pattern that holds no wildcard."""
    fixed = Path()
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _expression(pattern: Path) -> re.Pattern[str]:
    """Turn a pattern with `**`, any number of folders, into a regular expression of paths."""
    *folders, last = ("**" if part == "**" else _part(part) for part in pattern.parts)
    inner = "".join("(?:[^/]+/)*" if part == "**" else part + "/" for part in folders)
    return re.compile(inner + (".*" if last == "**" else last))


def _part(part: str) -> str:
    """Turn one folder's or file's part of a pattern into a regular expression."""
    wildcards = {"*": "[^/]*", "?": "[^/]"}
    pieces = re.findall(r"\[!?\]?[^\]]*\]|.", part, re.DOTALL)
    return "".join(
        "[" + re.sub("^!", "^", piece[1:-1]).replace("\\", r"\\") + "]"
        if len(piece) > 1
        else wildcards.get(piece, re.escape(piece))
        for piece in pieces
    )
