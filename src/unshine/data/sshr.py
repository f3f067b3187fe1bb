"""SSHR, TSHRNet's rendered dataset, and everything in its layout (`unshine render`).

``<model>/<view>_{i,a,s,r,d,d_tc,m}.jpg``: image, albedo, shading, residue, diffuse, tone-corrected
diffuse, mask; display values, black background. List files name one tuple a line, with seven or
four paths that start at the list's folder. A pack for training may hold ``a``, ``s``, ``r`` and
perhaps ``m`` alone.
"""

import re
from pathlib import Path

from unshine.data import item
from unshine.data.item import ENDINGS, Entry, Example, Split
from unshine.errors import UnshineError
from unshine.layers import SUFFIX

SUFFIXES = {name.replace("clean", "tone_corrected"): suffix for name, suffix in SUFFIX.items()}
SEVEN = tuple(SUFFIXES)
FOUR = ("image", "specular", "diffuse", "tone_corrected")
PACK = ("albedo", "shading", "specular")
_NAME = re.compile(rf"(.+)_({'|'.join(SUFFIXES.values())})\.\w+")


def find(folder: Path, split: Split = "test", skip_bad: bool = False) -> list[Entry]:
    """Find the tuples of a list file, of a split's list in a folder, or of a folder without lists.

    Parameters
    ----------
    folder : Path
    split : {"train", "test"}
        Whose list to take where lists are named after splits; seven-tuples before four-tuples.
    skip_bad : bool
        Whether to pass over bad lines with a warning.

    Raises
    ------
    UnshineError
        If a line of a list is bad, or there are several lists and none of them is of this split.
    """
    if folder.is_file():
        return _listed(folder, skip_bad) if folder.suffix == ".lst" else []
    lists = sorted(folder.glob("*tuples.lst"))
    if not lists:
        return _unlisted(folder, split)
    # Training tuples may be scored where there are no others; test tuples are not trained on.
    lists = [path for path in lists if split in path.name] or [
        path for path in lists if split == "test" or "test" not in path.name
    ]
    names = {path.name for path in lists}
    lists = [p for p in lists if p.name.replace("_4_", "_7_") not in names - {p.name}]
    if len(lists) > 1:
        found = ", ".join(path.name for path in lists)
        raise UnshineError(f"{folder}: holds several lists ({found}); name the one to use.")
    return _listed(lists[0], skip_bad) if lists else []


def read(entry: Entry) -> Example:
    """Read one tuple; a tuple of four has no mask."""
    kinds = [k for k in ("image", "diffuse", "tone_corrected", "mask") if k in entry.files]
    if not {"image", "diffuse"} <= set(kinds):
        raise UnshineError(f"{entry.name}: has no image and no diffuse truth to score.")
    layers = item.read_layers(entry, kinds)
    mask = layers["mask"][..., 0] > 0 if "mask" in layers else None
    return item.make_example(
        entry.name, layers["image"], layers["diffuse"], mask, layers.get("tone_corrected")
    )


def _listed(path: Path, skip_bad: bool) -> list[Entry]:
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        raise UnshineError(f"{path}: is not a text file.") from None
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        files = line.split()
        if not files:
            continue
        try:
            name, kinds = _line(files)
            if entries and entries[0].files.keys() != set(kinds):
                raise UnshineError(f"has {len(files)} paths, the lines before it others.")
        except UnshineError as error:
            item.reject(f"{path}: line {number} {error}", skip_bad)
            continue
        paths = [path.parent / file for file in files]
        source = f"{path}, line {number}"
        entries.append(Entry(name, dict(zip(kinds, paths, strict=True)), source=source))
    return entries


def _line(files: list[str]) -> tuple[str, tuple[str, ...]]:
    """Name of a line's tuple, and what its paths are: by their suffixes, else by their order."""
    matches = [_NAME.fullmatch(file) for file in files]
    parts = [match.groups() for match in matches if match]
    by_suffix = {suffix: kind for kind, suffix in SUFFIXES.items()}
    kinds = tuple(by_suffix[suffix] for _, suffix in parts)
    if len(files) not in (4, 7) and not set(PACK) <= set(kinds):
        raise UnshineError(f"has {len(files)} paths, not 4 or 7.")
    if len(parts) < len(files):
        if len(files) not in (4, 7):
            raise UnshineError(f"has {len(files)} paths, not 4 or 7.")
        kinds = SEVEN if len(files) == 7 else FOUR
        return files[0].removeprefix("SSHR/"), kinds
    if len({name for name, _ in parts}) > 1:
        raise UnshineError("mixes images of several tuples.")
    if len(set(kinds)) < len(kinds):
        raise UnshineError("names one image twice.")
    return parts[0][0].removeprefix("SSHR/"), kinds


def _unlisted(folder: Path, split: Split) -> list[Entry]:
    found: dict[Path, dict[str, Path]] = {}
    for path in sorted(folder.rglob("*_*")):
        match = _NAME.fullmatch(path.name)
        if match and path.suffix.lower() in ENDINGS:
            found.setdefault(path.with_name(match[1]), {})[match[2]] = path
    entries = []
    for stem, files in found.items():
        name = stem.relative_to(folder).as_posix()
        if split == "train" and {"test", "validation"} & set(stem.relative_to(folder).parts):
            continue
        if "i" in files:
            # All seven, so that reading says what is missing.
            paths = {
                kind: files.get(suffix, stem.with_name(f"{stem.name}_{suffix}{files['i'].suffix}"))
                for kind, suffix in SUFFIXES.items()
            }
        elif {SUFFIXES[kind] for kind in PACK} <= files.keys():
            paths = {kind: files[s] for kind, s in SUFFIXES.items() if s in files}
        else:
            continue
        entries.append(Entry(name, paths))
    # Any image may end in _i: a tone-corrected truth or a pack's shading is what tells SSHR.
    known = any({"d_tc", "a"} & files.keys() for files in found.values())
    return entries if known else []
