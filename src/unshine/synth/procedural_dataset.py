"""A dataset of procedural tuples on disk, in SSHR's layout."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.layers import SUFFIX, Layers
from unshine.pixels import to_uint8
from unshine.synth import layout

if TYPE_CHECKING:
    from torch import Tensor

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
    below = "SSHR/train/procedural"
    (folder / below).mkdir(parents=True)
    stems, thumbnails = [], []
    for first in range(0, count, BATCH):
        # A seed for each batch: a longer dataset begins with the shorter one.
        generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
        with torch.no_grad():
            tuples = camera.develop(studio.render(BATCH, generator), generator, degrade=False)
        for index in range(first, min(first + BATCH, count)):
            one = Layers(**{name: x[index - first] for name, x in tuples._asdict().items()})
            stems.append(f"{below}/{index:06d}")
            images = _images(one)
            for layer, image in images.items():
                image.save(folder / layout.file_name(stems[-1], layer, "png"))
            if index < layout.SHEET_TUPLES:
                thumbnails.append(layout.contact_sheet([images["i"], images["d_tc"]], columns=2))
    layout.write_lists(folder, "train", stems, "png", layout.ALL)
    layout.contact_sheet(thumbnails, columns=4).save(folder / "sheet.png")


def _images(one: "Layers[Tensor]") -> dict[str, Image.Image]:
    """Turn a tuple's layers, (C, H, W), into images, by their suffixes."""
    albedo, shading, _ = layout.fit_eight_bits(optics.decode(one.albedo), one.shading)
    displayed = one._replace(
        albedo=optics.encode(albedo),
        shading=optics.encode(shading),
        specular=optics.encode(one.specular),
        mask=one.mask.expand(3, -1, -1),
    )._asdict()
    return {
        suffix: Image.fromarray(to_uint8(np.moveaxis(displayed[name].numpy(), 0, 2)))
        for name, suffix in SUFFIX.items()
    }
