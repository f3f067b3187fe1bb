"""SSHR, TSHRNet's rendered dataset, and everything in its layout (`unshine render`).

``<model>/<view>_{i,a,s,r,d,d_tc,m}.jpg``: image, albedo, shading, residue, diffuse, tone-corrected
diffuse, mask; display values, black background. List files name one tuple a line, with seven or
four paths that start at the list's folder.
"""

from pathlib import Path

from unshine.data import item
from unshine.data.item import ENDINGS, Entry, Example
from unshine.errors import UnshineError

SEVEN = ("image", "albedo", "shading", "specular", "diffuse", "tone_corrected", "mask")
FOUR = ("image", "specular", "diffuse", "tone_corrected")
SUFFIXES = dict(zip(SEVEN, ("i", "a", "s", "r", "d", "d_tc", "m"), strict=True))


def find(folder: Path) -> list[Entry]:
    """Find the tuples of a list file, of the test lists in a folder, or of a folder without lists.

    Raises
    ------
    UnshineError
        If a list has a line of other than four or seven paths, or there are several lists and
        none of them is for testing.
    """
    if folder.is_file():
        return _listed(folder) if folder.suffix == ".lst" else []
    lists = sorted(folder.glob("*tuples.lst"))
    tests = [path for path in lists if "test" in path.name] or lists
    if len(tests) > 1:
        names = ", ".join(path.name for path in tests)
        raise UnshineError(f"{folder}: holds several lists ({names}); name the one to use.")
    if tests:
        return _listed(tests[0])
    if not any(folder.rglob("*_d_tc.*")):
        return []
    return [
        Entry(
            image.relative_to(folder).as_posix().removesuffix(f"_i{ending}"),
            {
                kind: image.with_name(f"{image.name.removesuffix(f'_i{ending}')}_{end}{ending}")
                for kind, end in SUFFIXES.items()
            },
        )
        for ending in ENDINGS
        for image in sorted(folder.rglob(f"*_i{ending}"))
    ]


def read(entry: Entry) -> Example:
    """Read one tuple; a tuple of four has no mask."""
    has_mask = "mask" in entry.files
    return item.example(
        entry.name,
        item.picture(entry.files["image"]),
        item.picture(entry.files["diffuse"]),
        item.mask(entry.files["mask"]) if has_mask else None,
        item.picture(entry.files["tone_corrected"]),
    )


def _listed(path: Path) -> list[Entry]:
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        files = line.split()
        if not files:
            continue
        if len(files) not in (4, 7):
            raise UnshineError(f"{path}: line {number} has {len(files)} paths, not 4 or 7.")
        name = files[0].rsplit("_i.", 1)[0].removeprefix("SSHR/")
        kinds = SEVEN if len(files) == 7 else FOUR
        paths = [path.parent / file for file in files]
        entries.append(Entry(name, dict(zip(kinds, paths, strict=True))))
    return entries
