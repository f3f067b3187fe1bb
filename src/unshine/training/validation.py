"""Validation: scores on tuples never trained on, and a sheet to look at.

Works on NumPy arrays and anything that is called as an engine is, whatever its framework.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import optics, tone
from unshine.data import readers
from unshine.data.item import resize_image
from unshine.engines import ask
from unshine.layers import Layers
from unshine.metrics import change, highlight_region, psnr
from unshine.networks import Network
from unshine.pixels import Floats, to_uint8
from unshine.training.disk import merge

SEED = 2_023_000_000
"""Far from every seed of `ProceduralStream`."""

COUNT, SIZE = 64, 128

MOST = 64
"""How many images of a folder are scored at most, evenly spread."""


@dataclass(eq=False)
class TrainingEngine:
    """A network in training, called as those of `unshine.engines` are."""

    run: Callable[[Floats], dict[str, Floats]]
    """From (B, 3, H, W) to the outputs by name."""
    names: tuple[str, ...]
    network: Network
    device: str

    def __call__(self, image: Floats, outputs: Sequence[str] | None = None) -> dict[str, Floats]:
        """Run the network; see `unshine.engines.Engine`."""
        found = self.run(image)
        return {name: found[name] for name in outputs or self.names}


class Scored(NamedTuple):
    """What a network made of an image, and what it should be: (H, W, C), display values."""

    outputs: dict[str, Floats]
    truth: Layers[Floats]
    """Image, diffuse, clean."""
    mask: NDArray[np.bool_]
    """The object, (H, W)."""


@cache
def tuples() -> Layers[Floats]:
    """Make the fixed synthetic validation set, on the CPU, so the same on every machine."""
    import torch

    from unshine.synth import camera, patterns
    from unshine.synth.procedural import Studio

    generator = torch.Generator().manual_seed(SEED)
    studio = Studio(SIZE, patterns.atlas(8, seed=SEED))
    with torch.no_grad():
        batches = [
            camera.develop(studio.render(8, generator), generator) for _ in range(COUNT // 8)
        ]
    return merge([Layers(**x._asdict()) for x in batches], lambda x: torch.cat(x).numpy())


def validate(
    engine: TrainingEngine,
    synthetic: int = COUNT,
    real: Path | None = None,
    stored_tone: bool = False,
) -> tuple[dict[str, float], Image.Image]:
    """Score a network.

    Parameters
    ----------
    engine : TrainingEngine
    synthetic : int
        How many tuples of the synthetic set to take.
    real : Path, optional
        A folder in the layout of any dataset.
    stored_tone : bool
        Whether a dataset's own tone-corrected images are the truth, not ours.

    Returns
    -------
    scores : dict
        On the synthetic set: PSNR in the highlight region and its gain over the input, and the
        change (RMS, 8-bit levels) of images that have no highlight. On the folder of `real`
        images the same, for glossy and matte ones.
    sheet : PIL image
        Input, result, truth, highlight map, A, S of some images, one a row.
    """
    scores: dict[str, float] = {}
    shown: list[Scored] = []
    if synthetic:
        made = _synthetic(engine, synthetic)
        scores |= _scores(made, glossy=0.002, matte=0.0005)
        shown = made[:16]
    if real is not None:
        found = list(_folder(engine, real, stored_tone))
        named = {f"real {name}": score for name, score in _scores(found, 0.01, 0.01).items()}
        scores |= named
        shown = shown or found[:16]
    return scores, _sheet(shown)


def _synthetic(engine: TrainingEngine, count: int) -> list[Scored]:
    truth = tuples()
    names = [name for name in SHOWN if name in engine.names]
    batches = [ask(engine, truth.image[k : k + 8], names) for k in range(0, count, 8)]
    outputs = {name: _colours_last([part[name] for part in batches]) for name in names}
    image, diffuse, clean = (_colours_last([x]) for x in (truth.image, truth.diffuse, truth.clean))
    everywhere = np.ones(image.shape[1:3], np.bool_)
    return [
        Scored(
            {name: output[k] for name, output in outputs.items()},
            Layers(image=image[k], diffuse=diffuse[k], clean=clean[k]),
            everywhere,
        )
        for k in range(count)
    ]


def _colours_last(batches: list[Floats]) -> Floats:
    """Join batches, (B, C, H, W), to one of (B, H, W, C)."""
    return np.moveaxis(np.concatenate(batches), 1, 3)


def _folder(engine: TrainingEngine, folder: Path, stored_tone: bool) -> Iterator[Scored]:
    reader, entries = readers.find(folder)
    names = [name for name in SHOWN if name in engine.names]
    for k in np.unique(np.linspace(0, len(entries) - 1, MOST).round().astype(int)):
        example = reader.read(entries[k])
        shape = reader.size(*example.image.shape[:2])
        image, diffuse = (resize_image(x, shape) for x in (example.image, example.diffuse))
        if example.linear:
            image, diffuse = optics.encode(image), optics.encode(diffuse)
        mask = resize_image(example.mask.astype(np.float32)[..., None], shape) > 0.5
        clean = diffuse
        if example.tone_corrected is not None:
            clean = resize_image(example.tone_corrected, shape)
            if not stored_tone:
                clean = tone.correction(diffuse, image, mask, channel_axis=2)
        outputs = ask(engine, np.ascontiguousarray(np.moveaxis(image, 2, 0)[None]), names)
        yield Scored(
            {name: np.moveaxis(output[0], 0, 2) for name, output in outputs.items()},
            Layers(image=image, diffuse=diffuse, clean=clean),
            mask[..., 0],
        )


def _scores(images: list[Scored], glossy: float, matte: float) -> dict[str, float]:
    """Score the images whose highlight covers more, or at most, such shares of the object."""
    found, gain, refined, changes = [], [], [], []
    for outputs, truth, mask in images:
        image, clean, diffuse = truth.image, truth.clean, truth.diffuse
        region = highlight_region(image, clean, mask)
        share = region.sum() / mask.sum()
        if share > glossy:
            found.append(psnr(outputs["clean"], clean, region))
            gain.append(found[-1] - psnr(image, clean, region))
        elif share <= matte:
            changes.append(change(outputs["clean"], image, mask))
        region = highlight_region(image, diffuse, mask)
        if region.sum() > glossy * mask.sum():
            before = psnr(image, diffuse, region)
            refined.append(psnr(outputs["diffuse"], diffuse, region) - before)
    return {
        "highlight": _mean(found),
        "gain": _mean(gain),
        "change": _mean(changes),
        "diffuse gain": _mean(refined),
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


SHOWN = ("clean", "diffuse", "highlight", "albedo", "shading")
"""The outputs that are scored or shown, where a network has them."""


def _sheet(images: list[Scored]) -> Image.Image:
    """Draw one image a row, two rows side by side."""
    rows = []
    for outputs, truth, _ in images:
        shading = outputs.get("shading")
        if shading is not None:
            outputs = outputs | {"shading": optics.encode(shading / max(shading.max(), 1e-6))}
        maps = [outputs[name] for name in SHOWN[2:] if name in outputs]
        shown = (truth.image, outputs["clean"], truth.clean, *maps)
        rows.append(np.concatenate([_tile(x) for x in shown], 1))
    if len(rows) % 2:
        rows.append(np.zeros_like(rows[0]))
    pairs = [np.concatenate(rows[k : k + 2], 1) for k in range(0, len(rows), 2)]
    return Image.fromarray(to_uint8(np.concatenate(pairs)))


def _tile(image: Floats) -> Floats:
    """From (H, W, C) to (SIZE, SIZE, 3), with black beside what is not square."""
    image = np.repeat(image, 3, 2) if image.shape[2] == 1 else image
    height, width, _ = image.shape
    scale = SIZE / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    tile = np.zeros((SIZE, SIZE, 3), np.float32)
    tile[: shape[0], : shape[1]] = resize_image(image.clip(0, 1), shape)
    return tile
