"""Tuples as a dataset on disk, in SSHR's layout, with a contact sheet to look at."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth import camera, patterns
from unshine.synth.camera import Tuples
from unshine.synth.procedural import Studio

LAYERS = ("i", "a", "s", "r", "d", "d_tc", "m")
"""Suffixes of a tuple's files, in the order of SSHR's list files."""

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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnshineError(f"{folder} exists and is not empty; choose another folder.")
    studio = Studio(size, patterns.atlas(16, seed))
    pictures = folder / "SSHR" / "train" / "procedural"
    pictures.mkdir(parents=True)
    names, thumbnails = [], []
    for first in range(0, count, BATCH):
        # A seed for each batch: a longer dataset begins with the shorter one.
        generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
        with torch.no_grad():
            tuples = camera.develop(studio.render(BATCH, generator), generator, spoil=False)
        for index in range(first, min(first + BATCH, count)):
            one = Tuples(*(x[index - first] for x in tuples))
            files = _files(one)
            for layer in LAYERS:
                _picture(files[layer]).save(pictures / f"{index:06d}_{layer}.png")
            names.append([f"SSHR/train/procedural/{index:06d}_{layer}.png" for layer in LAYERS])
            if index < 64:
                thumbnails.append(torch.cat([one.image, one.clean], 2))
    four = [LAYERS.index(layer) for layer in ("i", "r", "d", "d_tc")]
    _write_lines(folder / "train_7_tuples.lst", names)
    _write_lines(folder / "train_4_tuples.lst", [[row[k] for k in four] for row in names])
    contact_sheet(thumbnails).save(folder / "sheet.png")


def contact_sheet(pictures: list[Tensor], columns: int = 4) -> Image.Image:
    """Put (3, H, W) pictures of one size, display values, side by side."""
    _, height, width = pictures[0].shape
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for index, picture in enumerate(pictures):
        place = (index % columns * width, index // columns * height)
        sheet.paste(_picture(picture), place)
    return sheet


def _files(one: Tuples) -> dict[str, Tensor]:
    # 8 bits hold shading up to 1 only: what is above moves into the albedo, as far as that goes.
    brightest = one.shading.max().clip(1, None)
    room = 1 / optics.decode(one.albedo).max().clip(0.05, None)
    scale = torch.minimum(brightest, room)
    return {
        "i": one.image,
        "a": optics.encode(optics.decode(one.albedo) * scale),
        "s": optics.encode(one.shading / scale),
        "r": optics.encode(one.specular),
        "d": one.diffuse,
        "d_tc": one.clean,
        "m": one.mask.expand(3, -1, -1),
    }


def _picture(display: Tensor) -> Image.Image:
    values = display.clip(0, 1).permute(1, 2, 0).numpy()
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))


def _write_lines(path: Path, rows: list[list[str]]) -> None:
    path.write_text("".join(" ".join(row) + "\n" for row in rows))
