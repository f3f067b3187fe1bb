"""Tuples as a dataset on disk, in SSHR's layout; procedural ones (for path-traced see `traced`)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError

if TYPE_CHECKING:
    from unshine.synth.camera import Tuples

LAYERS = ("i", "a", "s", "r", "d", "d_tc", "m")
"""Suffixes of a tuple's files, in the order of SSHR's list files."""

FOUR = ("i", "r", "d", "d_tc")
"""The same for the lists of datasets without albedo and shading."""

SHOWN = 64
"""How many tuples a contact sheet shows at most."""

BATCH = 8


def render_procedural(folder: Path, count: int, size: int = 256, seed: int = 0) -> None:
    """Write `count` procedural tuples.

    The files are ``SSHR/train/procedural/<number>_{i,a,s,r,d,d_tc,m}.png``, 8-bit, encoded with
    gamma 2.2; ``train_7_tuples.lst`` and ``train_4_tuples.lst`` name them as SSHR's lists do;
    ``sheet.png`` shows up to 64 of them. The same seed makes the same files.

    Raises
    ------
    UnshineError
        If `folder` already has something in it.
    """
    import torch

    from unshine.synth import camera, patterns
    from unshine.synth.procedural import Studio

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnshineError(f"{folder} exists and is not empty; choose another folder.")
    studio = Studio(size, patterns.atlas(16, seed))
    pictures = folder / "SSHR" / "train" / "procedural"
    pictures.mkdir(parents=True)
    stems, thumbnails = [], []
    for first in range(0, count, BATCH):
        # A seed for each batch: a longer dataset begins with the shorter one.
        generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
        with torch.no_grad():
            tuples = camera.develop(studio.render(BATCH, generator), generator, spoil=False)
        for index in range(first, min(first + BATCH, count)):
            files = _files(camera.Tuples(*(x[index - first] for x in tuples)))
            for layer in LAYERS:
                picture(files[layer]).save(pictures / f"{index:06d}_{layer}.png")
            stems.append(f"SSHR/train/procedural/{index:06d}")
            if index < SHOWN:
                pair = np.hstack([files["i"], files["d_tc"]])
                thumbnails.append(picture(pair))
    write_lists(folder, "train", stems, "png", LAYERS)
    contact_sheet(thumbnails, columns=4).save(folder / "sheet.png")


def picture(display: NDArray[Any]) -> Image.Image:
    """Make an 8-bit picture of display values, (H, W, 3) or (H, W)."""
    return Image.fromarray(np.rint(display.clip(0, 1) * 255).astype(np.uint8))


def contact_sheet(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Put pictures of one size side by side."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for index, one in enumerate(pictures):
        sheet.paste(one, (index % columns * width, index // columns * height))
    return sheet


def fit_eight_bits(albedo: Any, shading: Any) -> tuple[Any, Any, float]:
    """Move what 8 bits cannot hold, shading above 1, into the albedo, as far as that goes.

    Parameters
    ----------
    albedo, shading : arrays of one shape
        Linear light.

    Returns
    -------
    albedo, shading : arrays
        With the same product.
    scale : float
        What the albedo was multiplied by.
    """
    brightest = max(float(shading.max()), 1.0)
    room = 1 / max(float(albedo.max()), 0.05)
    scale = min(brightest, room)
    return albedo * scale, shading / scale, scale


def file_name(stem: str, layer: str, format: str) -> str:
    """Name a layer's file; masks are never stored with a loss."""
    return f"{stem}_{layer}.{'png' if layer == 'm' else format}"


def write_lists(
    folder: Path, split: str, stems: list[str], format: str, layers: tuple[str, ...]
) -> None:
    """Write the list files of a split: SSHR's two, or one of the few layers there are.

    Parameters
    ----------
    stems : list of str
        The tuples' paths below `folder`, without ``_i.png``.
    """
    lists = {f"{split}_7_tuples.lst": LAYERS, f"{split}_4_tuples.lst": FOUR}
    lists = {name: wanted for name, wanted in lists.items() if set(wanted) <= set(layers)}
    for name, wanted in (lists or {f"{split}_tuples.lst": layers}).items():
        rows = (" ".join(file_name(stem, layer, format) for layer in wanted) for stem in stems)
        replace(folder / name, "".join(f"{row}\n" for row in rows))


def replace(path: Path, text: str) -> None:
    """Write a text file that is never seen half written."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8", newline="\n")
    new.replace(path)


def _files(one: "Tuples") -> dict[str, NDArray[np.float32]]:
    """Turn a procedural tuple's (C, H, W) tensors into what the files hold, (H, W, 3)."""
    albedo, shading, _ = fit_eight_bits(optics.decode(one.albedo), one.shading)
    layers = {
        "i": one.image,
        "a": optics.encode(albedo),
        "s": optics.encode(shading),
        "r": optics.encode(one.specular),
        "d": one.diffuse,
        "d_tc": one.clean,
        "m": one.mask.expand(3, -1, -1),
    }
    return {layer: values.permute(1, 2, 0).numpy() for layer, values in layers.items()}
