"""Photographs with their own highlights, as they are and stronger, for teachers to be asked about.

What a network takes off a photograph can be put back several times as strong: under the strong
highlight lies what it found under the weak one. Photographs as they are do not help by themselves
(docs/training-log.md, section 19).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unshine import optics
from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.synth.photographs import Album, crops

STRONGER = 0.5
"""How many of the photographs have a stronger highlight."""
TIMES = 0.5, 6.0
"""How strong it is, of what it was, in linear light."""
DARKER = 0.4
"""The least exposure, of what it was: in the dark, a highlight is not clipped."""


class StrongerStream:
    """Batches of photographs: some as they are, some with highlights that are stronger.

    Of the latter, `clean` says what lies under them; of the former, where it is the image, nobody
    knows. They have no mask, which tells them from tuples.

    Parameters
    ----------
    photos : Path
        Photographs; see `Album`.
    cleaned : Path
        What ``unshine remove`` made of some of them, by the same names.
    size, batch, seed : int
        See `unshine.synth.photographs.PhotographStream`.
    """

    def __init__(self, photos: Path, cleaned: Path, size: int, batch: int, seed: int) -> None:
        self.size, self.batch, self.seed = size, batch, seed
        self.album = Album(photos)
        pairs = [(path, cleaned / path.name) for path in sorted(photos.rglob("*"))]
        self.pairs = [pair for pair in pairs if pair[1].is_file()]
        if not self.pairs:
            raise UnshineError(f"{cleaned}: holds nothing by the name of a photograph of {photos}.")

    def __iter__(self) -> Iterator[Layers[Tensor]]:
        rng = np.random.default_rng(self.seed)
        while True:
            some = [
                self.stronger(rng) if rng.random() < STRONGER else self.as_it_is(rng)
                for _ in range(self.batch)
            ]
            image, clean = (torch.stack(x) for x in zip(*some, strict=True))
            nothing = torch.zeros_like(image)
            yield Layers(
                image=image, albedo=nothing, shading=nothing, specular=nothing, diffuse=clean,
                clean=clean, highlight=nothing[:, :1],
            )  # fmt: skip

    def as_it_is(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crop any photograph, (3, size, size), twice the same."""
        [path] = self.album.draw_lots(1, rng)
        [crop] = crops(path, self.size, 1, rng)
        image = _plane(crop)
        return image, image

    def stronger(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crop a photograph with a stronger highlight, and without, (3, size, size)."""
        seed = int(rng.integers(2**32))
        image, clean = (
            optics.decode(_plane(next(crops(path, self.size, 1, np.random.default_rng(seed)))))
            for path in self.pairs[rng.integers(len(self.pairs))]
        )
        times = np.exp(rng.uniform(*np.log(TIMES)))
        exposure = rng.uniform(DARKER, 1)
        strong = clean + times * (image - clean).clip(0, None)
        image, clean = (optics.encode((exposure * x).clip(0, 1)) for x in (strong, clean))
        return image, clean


def _plane(crop: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.array(crop, np.float32) / 255).permute(2, 0, 1)
