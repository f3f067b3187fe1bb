"""What a dataset of path-traced tuples says about itself: statistics, contact sheet, card."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import optics
from unshine.files import write_text, writing
from unshine.layers import HIGHLIGHT_THRESHOLD, Layers
from unshine.pixels import to_uint8
from unshine.synth.job import RenderSettings, Sources
from unshine.synth.layout import ALL, SHEET_TUPLES, contact_sheet, file_name

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

_CARD = """\
# {name}

{made}, {size} × {size} pixels, path traced with Blender's \
Cycles from openly licensed meshes: photographs of shiny things and what they are made \
of, I = A·S + R in linear light. Made by

    {command}

## Files

`SSHR/<split>/<model>/<number>_<layer>.{format}`, 8-bit, gamma 2.2 (masks are PNG files):

| layer | |
|---|---|
{layers}

{free}{masters}\
`*tuples.lst` name one tuple a line, as SSHR's lists do. `tuples.jsonl` says of each tuple \
what is in it: meshes, materials, lights, camera, exposure, measurements. \
`{sheet}` shows the first {shown}, `{plots}` the distributions. No mesh \
is in two splits, whatever the dataset: a hash of its name decides.

## Licence

Of what is in the images: {licences}. `ATTRIBUTION.csv` names creator and \
licence of everything used.

## Statistics

| | median | 5 % | 95 % |
|---|---|---|---|
{statistics}
"""

_FREE = """\
Without images that show it, exposure is free: light is multiplied by `gain` (see \
`tuples.jsonl`), so that the shading fits into 8 bits.

"""

_MASTERS = """\
`..._{i,a,s,r,d}.exr` hold the same in linear light, unclipped, as half floats.

"""

Metadata = list[dict[str, Any]]
"""The lines of ``tuples.jsonl``, in order."""


def measure(shown: Layers[Any], light: Layers[Any]) -> dict[str, Any]:
    """Measure a tuple: shares of its object's pixels, and display values in [0, 1].

    Parameters
    ----------
    shown : Layers of arrays
        Display values, (H, W, 3).
    light : Layers of arrays
        The same unclipped, linear; and the mask, (H, W).
    """
    inside = light.mask
    largest = (shown.image - shown.diffuse).max(axis=2)[inside]
    return {
        "object": float(inside.mean()),
        "highlight": float((largest > HIGHLIGHT_THRESHOLD).mean()),
        "clipped": float((light.image.max(axis=2)[inside] >= 1).mean()),
        "brightness": float(shown.image[inside].mean()),
        "colour": [float(x) for x in shown.diffuse[inside].mean(axis=0)],
    }


def write(
    folder: Path, settings: RenderSettings, sources: Sources, metadata: Metadata, count: int
) -> None:
    """Write card, plots and sheet; the same tuples make the same bytes.

    Parameters
    ----------
    folder : Path
    settings : RenderSettings
    sources : Sources
    metadata : list of dict
    count : int
        How many tuples were asked for.
    """
    shown = [_thumbnail(folder, one["stem"], settings) for one in metadata[:SHEET_TUPLES]]
    with writing(folder / SHEET, overwrite=True) as path:
        contact_sheet(shown, columns=8).save(path, format="JPEG", quality=85)
    with writing(folder / PLOTS, overwrite=True) as path:
        _plot(metadata, path)
    write_text(folder / CARD, _card(folder.name, settings, sources, metadata, count))


def command(name: str, settings: RenderSettings, sources: Sources, count: int) -> str:
    """Return the command that makes the dataset again."""
    words = ["unshine", "render", "-n", str(count), "-o", name, "--size", str(settings.size)]
    words += ["--seed", str(settings.seed), "--samples", str(settings.samples)]
    words += ["--licence", settings.licence, "--split", settings.split]
    if settings.format == "jpg":
        words += ["--format", "jpg", "--quality", str(settings.quality)]
    if settings.layers != ALL:
        words += ["--layers", ",".join(settings.layers)]
    if settings.linear:
        words.append("--linear")
    for option in ("meshes", "hdris", "textures"):
        if own := getattr(sources, option):
            words += [f"--{option}", own.name]
    return shlex.join(words)


def _card(
    name: str, settings: RenderSettings, sources: Sources, metadata: Metadata, count: int
) -> str:
    splits = [one["split"] for one in metadata]
    purposes = {"train": "training", "validation": "validation", "test": "tests"}
    counts = ", ".join(
        f"{splits.count(split)} for {purpose}"
        for split, purpose in purposes.items()
        if split in splits
    )
    made = f"{len(metadata)} tuples ({counts})"
    if count > len(metadata):
        made += f"; {count - len(metadata)} of {count} could not be rendered"
    return _CARD.format(
        name=name,
        made=made,
        size=settings.size,
        command=command(name, settings, sources, count),
        format=settings.format,
        layers="\n".join(f"| `{layer}` | {_ABOUT[layer]} |" for layer in settings.layers),
        free="" if settings.exposed else _FREE,
        masters=_MASTERS if settings.linear else "",
        sheet=SHEET,
        shown=min(SHEET_TUPLES, len(metadata)),
        plots=PLOTS,
        licences=", ".join(sorted({licence for one in metadata for licence in one["licence"]})),
        statistics="\n".join(_statistics(metadata)),
    )


def _statistics(metadata: Metadata) -> list[str]:
    """Rows of the card's last table."""
    rows = []
    for key, words in (
        ("object", "share of the image that the objects cover"),
        ("highlight", "share of the objects with a visible highlight"),
        ("clipped", "share of the objects that is clipped"),
        ("brightness", "mean display value of the objects"),
    ):
        low, middle, high = np.percentile(_column(metadata, key), (5, 50, 95))
        rows.append(f"| {words} | {middle:.3f} | {low:.3f} | {high:.3f} |")
    return rows


def _column(metadata: Metadata, key: str) -> NDArray[np.float64]:
    return np.array([one["statistics"][key] for one in metadata], np.float64)


def _thumbnail(folder: Path, stem: str, settings: RenderSettings) -> Image.Image:
    """Reduce a tuple's image, or what its other layers add up to."""

    def layer(name: str) -> NDArray[np.float32]:
        with Image.open(folder / file_name(stem, name, settings.format)) as file:
            return np.asarray(file.convert("RGB"), np.float32) / 255

    if "i" not in settings.layers and {"a", "s", "r"} <= set(settings.layers):
        light = optics.compose(*(optics.decode(layer(name)) for name in ("a", "s", "r")))
        display = optics.encode(optics.clip(light))
    else:
        display = layer("i" if "i" in settings.layers else settings.layers[0])
    image = Image.fromarray(to_uint8(display))
    return image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)


def _plot(metadata: Metadata, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for axis, (key, title) in zip(
        axes,
        (
            ("highlight", "highlight, share of object"),
            ("clipped", "clipped, share of object"),
            ("brightness", "brightness of object"),
            ("object", "size of object, share of image"),
        ),
        strict=False,
    ):
        axis.hist(_column(metadata, key), bins=np.linspace(0, 1, 26), color="0.4")
        axis.set(title=title, xlim=(0, 1))
    colours = np.array([one["statistics"]["colour"] for one in metadata])
    red, green, blue = colours.T
    axes[4].scatter(red - green, (red + green) / 2 - blue, s=9, c=colours.clip(0, 1))
    axes[4].set(title="diffuse colour of object", xlabel="red − green", ylabel="yellow − blue")
    axes[4].set_facecolor("0.85")
    axes[5].hist(np.log2([one["exposure"] for one in metadata]), bins=25, color="0.4")
    axes[5].set(title="exposure, stops")
    # Without the version of Matplotlib, which has no say in the pixels.
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
