"""What a dataset of path-traced tuples says about itself: card, statistics, contact sheet."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import optics
from unshine.synth.dataset import LAYERS, SHOWN, contact_sheet, file_name, picture, replace

if TYPE_CHECKING:
    from unshine.synth.traced import Settings, Sources

CARD, SHEET, PLOTS = "DATASET.md", "sheet.jpg", "statistics.png"

THUMBNAIL = 128

_ABOUT = {
    "i": "image: the photograph, clipped as a camera clips it",
    "a": "albedo; multiplied by `albedo_scale`, so that the shading fits into 8 bits",
    "s": "shading, divided by the same",
    "r": "specular residue",
    "d": "diffuse: albedo times shading",
    "d_tc": "diffuse in the tone of the image, as TSHRNet corrects it",
    "m": "mask of the objects",
}

Notes = list[dict[str, Any]]


def write(folder: Path, settings: "Settings", sources: "Sources", notes: Notes, count: int) -> None:
    """Write card, plots and sheet; the same tuples make the same bytes.

    Parameters
    ----------
    folder : Path
    settings : Settings
    sources : Sources
    notes : list of dict
        The lines of ``tuples.jsonl``, in order.
    count : int
        How many tuples were asked for.
    """
    shown = [_thumbnail(folder, note["stem"], settings) for note in notes[:SHOWN]]
    _save(contact_sheet(shown, columns=8), folder / SHEET)
    _plot(notes, folder / PLOTS)
    replace(folder / CARD, _card(folder.name, settings, sources, notes, count))


def command(name: str, settings: "Settings", sources: "Sources", count: int) -> str:
    """Return the command that makes the dataset again."""
    words = ["unshine", "render", "-n", str(count), "-o", name, "--size", str(settings.size)]
    words += ["--seed", str(settings.seed), "--samples", str(settings.samples)]
    words += ["--licence", settings.licence, "--split", settings.split]
    if settings.format == "jpg":
        words += ["--format", "jpg", "--quality", str(settings.quality)]
    if settings.layers != LAYERS:
        words += ["--layers", ",".join(settings.layers)]
    if settings.linear:
        words.append("--linear")
    for option in ("meshes", "hdris", "textures"):
        if own := getattr(sources, option):
            words += [f"--{option}", own.name]
    return shlex.join(words)


def _card(name: str, settings: "Settings", sources: "Sources", notes: Notes, count: int) -> str:
    splits = [note["split"] for note in notes]
    counts = ", ".join(
        f"{splits.count(split)} for {words}"
        for split, words in (("train", "training"), ("validation", "validation"), ("test", "tests"))
        if split in splits
    )
    licences = sorted({licence for note in notes for licence in note["licence"]})
    made = f"{len(notes)} tuples ({counts})"
    failed = f"; {count - len(notes)} of {count} could not be rendered" * (count > len(notes))
    lines = [
        f"# {name}",
        "",
        f"{made}{failed}, {settings.size} × {settings.size} pixels, path traced with Blender's"
        " Cycles from openly licensed meshes: photographs of shiny things and what they are made"
        " of, I = A·S + R in linear light. Made by",
        "",
        f"    {command(name, settings, sources, count)}",
        "",
        "## Files",
        "",
        f"`SSHR/<split>/<model>/<number>_<layer>.{settings.format}`, 8-bit, gamma 2.2 (masks are"
        " PNG files):",
        "",
        "| layer | |",
        "|---|---|",
        *(f"| `{layer}` | {_ABOUT[layer]} |" for layer in settings.layers),
        "",
    ]
    if not settings.exposed:
        lines += [
            "Without pictures that show it, exposure is free: light is multiplied by `gain` (see"
            " `tuples.jsonl`), so that the shading fits into 8 bits.",
            "",
        ]
    if settings.linear:
        lines += [
            "`..._{i,a,s,r,d}.exr` hold the same in linear light, unclipped, as half floats.",
            "",
        ]
    lines += [
        "`*tuples.lst` name one tuple a line, as SSHR's lists do. `tuples.jsonl` says of each tuple"
        " what is in it: meshes, materials, lights, camera, exposure, measurements."
        f" `{SHEET}` shows the first {min(SHOWN, len(notes))}, `{PLOTS}` the distributions. No mesh"
        " is in two splits, whatever the dataset: a hash of its name decides.",
        "",
        "## Licence",
        "",
        f"Of what is in the pictures: {', '.join(licences)}. `ATTRIBUTION.csv` names creator and"
        " licence of everything used.",
        "",
        "## Statistics",
        "",
        "| | median | 5 % | 95 % |",
        "|---|---|---|---|",
    ]
    for key, words in (
        ("object", "share of the picture that the objects cover"),
        ("highlight", "share of the objects with a visible highlight"),
        ("clipped", "share of the objects that is clipped"),
        ("brightness", "mean display value of the objects"),
    ):
        low, middle, high = np.percentile(_column(notes, key), (5, 50, 95))
        lines.append(f"| {words} | {middle:.3f} | {low:.3f} | {high:.3f} |")
    return "\n".join(lines) + "\n"


def _column(notes: Notes, key: str) -> NDArray[np.float64]:
    return np.array([note["statistics"][key] for note in notes], np.float64)


def _thumbnail(folder: Path, stem: str, settings: "Settings") -> Image.Image:
    """Reduce a tuple's picture, or what its other layers add up to."""

    def layer(name: str) -> NDArray[np.float32]:
        with Image.open(folder / file_name(stem, name, settings.format)) as file:
            return np.asarray(file.convert("RGB"), np.float32) / 255

    if "i" in settings.layers:
        one = picture(layer("i"))
    elif {"a", "s", "r"} <= set(settings.layers):
        light = optics.compose(*(optics.decode(layer(name)) for name in ("a", "s", "r")))
        one = picture(optics.encode(optics.clip(light)))
    else:
        one = picture(layer(settings.layers[0]))
    return one.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)


def _plot(notes: Notes, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for axis, (key, title) in zip(
        axes,
        (
            ("highlight", "highlight, share of object"),
            ("clipped", "clipped, share of object"),
            ("brightness", "brightness of object"),
            ("object", "size of object, share of picture"),
        ),
        strict=False,
    ):
        axis.hist(_column(notes, key), bins=np.linspace(0, 1, 26), color="0.4")
        axis.set(title=title, xlim=(0, 1))
    colours = np.array([note["statistics"]["colour"] for note in notes])
    red, green, blue = colours.T
    axes[4].scatter(red - green, (red + green) / 2 - blue, s=9, c=colours.clip(0, 1))
    axes[4].set(title="diffuse colour of object", xlabel="red − green", ylabel="yellow − blue")
    axes[4].set_facecolor("0.85")
    axes[5].hist(np.log2([note["exposure"] for note in notes]), bins=25, color="0.4")
    axes[5].set(title="exposure, stops")
    new = path.with_suffix(".new")
    # Without the version of Matplotlib, which has no say in the pixels.
    figure.savefig(new, format="png", dpi=100, metadata={"Software": None})
    new.replace(path)


def _save(sheet: Image.Image, path: Path) -> None:
    new = path.with_suffix(".new")
    sheet.save(new, format="JPEG", quality=85)
    new.replace(path)
