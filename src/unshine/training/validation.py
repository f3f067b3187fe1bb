"""How good the weights are so far: scores on tuples never trained on, a sheet to look at.

Works on NumPy arrays and anything that is called as an engine is, whatever its framework.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import optics
from unshine.data import readers
from unshine.data.item import Entry, Floats, resize_image
from unshine.data.readers import Reader
from unshine.training.settings import PROCEDURAL, Settings

if TYPE_CHECKING:
    from unshine.synth.camera import Tuples

SEED = 2_023_000_000
"""Far from every seed of `ProceduralStream`."""

COUNT, SIZE = 64, 128

MOST = 64
"""How many pictures of a folder are scored at most, evenly spread."""


@dataclass(frozen=True)
class Engine:
    """A network in training, called as those of `unshine.engines` are."""

    run: Callable[[Floats], Sequence[Floats]]
    """From (B, 3, H, W) to the outputs, in the order of `names`."""
    names: tuple[str, ...]

    def __call__(self, image: Floats, outputs: Sequence[str]) -> dict[str, Floats]:
        """Run the network; see `unshine.engines.onnx.OnnxEngine`."""
        found = dict(zip(self.names, self.run(image), strict=True))
        return {name: found[name] for name in outputs}


class Scored(NamedTuple):
    """A picture, what the network made of it, and what it should be: (C, H, W), display values."""

    image: Floats
    layers: dict[str, Floats]
    clean: Floats
    diffuse: Floats
    mask: NDArray[np.bool_]


@cache
def tuples() -> "Tuples":
    """The fixed synthetic validation set; made on the CPU, so the same on every machine."""
    import torch

    from unshine.synth import camera, patterns
    from unshine.synth.camera import Tuples
    from unshine.synth.procedural import Studio

    generator = torch.Generator().manual_seed(SEED)
    studio = Studio(SIZE, patterns.atlas(8, seed=SEED))
    with torch.no_grad():
        batches = [
            camera.develop(studio.render(8, generator), generator) for _ in range(COUNT // 8)
        ]
    return Tuples(*(torch.cat(parts) for parts in zip(*batches, strict=True)))


def validate(
    engine: Engine, synthetic: int = COUNT, real: Path | None = None, stored_tone: bool = False
) -> tuple[dict[str, float], Image.Image]:
    """Score a network.

    Parameters
    ----------
    engine : Engine
    synthetic : int
        How many tuples of the synthetic set to take.
    real : Path, optional
        A folder in the layout of any dataset.
    stored_tone : bool
        Whether a dataset's own tone-corrected pictures are the truth, not ours.

    Returns
    -------
    scores : dict
        On the synthetic set: PSNR in the highlight region and its gain over the input, and the
        change (RMS, 8-bit levels) of pictures that have no highlight. On the folder of `real`
        pictures the same, for glossy and matte ones.
    sheet : PIL image
        Input, result, truth, highlight map, A, S of some pictures, one a row.
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


def check(folder: Path) -> tuple[Reader, list[Entry]]:
    """Find the pictures of a folder to validate on, or say that there are none."""
    return readers.find(folder)


def choices(settings: Settings) -> dict[str, Any]:
    """What a run validates on: `validate`'s arguments."""
    paper = settings.recipe == "paper"
    wanted = settings.validate_on is None or PROCEDURAL in settings.data
    return {
        # TSHRNet costs a hundred times as much.
        "synthetic": wanted * (COUNT // 8 if paper else COUNT),
        "real": settings.validate_on,
        "stored_tone": paper,
    }


def _synthetic(engine: Engine, count: int) -> list[Scored]:
    truth = [np.asarray(x[:count]) for x in tuples()]
    image, _, _, _, diffuse, clean, _, mask = truth
    names = [name for name in SHOWN if name in engine.names]
    layers = [engine(image[k : k + 8], names) for k in range(0, count, 8)]
    found = {name: np.concatenate([part[name] for part in layers]) for name in names}
    return [
        Scored(
            image[k],
            {name: layer[k] for name, layer in found.items()},
            clean[k],
            diffuse[k],
            np.ones_like(mask[k, 0], np.bool_),
        )
        for k in range(count)
    ]


def _folder(engine: Engine, folder: Path, stored_tone: bool) -> Iterator[Scored]:
    reader, entries = check(folder)
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
                clean = optics.tone_correction(diffuse, image, mask, channel_axis=2)
        image, clean, diffuse = (np.moveaxis(x, 2, 0) for x in (image, clean, diffuse))
        layers = engine(np.ascontiguousarray(image[None]), names)
        found = {name: layer[0] for name, layer in layers.items()}
        yield Scored(image, found, clean, diffuse, mask[..., 0])


def _scores(pictures: list[Scored], glossy: float, matte: float) -> dict[str, float]:
    """Scores of the pictures whose highlight covers more, or at most, such shares of the object."""
    psnr, gain, refined, change = [], [], [], []
    for image, layers, clean, diffuse, mask in pictures:
        region = ((image - clean).max(0) > 0.04) & mask
        share = region.sum() / mask.sum()
        if share > glossy:
            psnr.append(_psnr(layers["clean"], clean, region))
            gain.append(psnr[-1] - _psnr(image, clean, region))
        elif share <= matte:
            change.append(_change(image[:, mask], layers["clean"][:, mask]))
        region = ((image - diffuse).max(0) > 0.04) & mask
        if region.sum() > glossy * mask.sum():
            before = _psnr(image, diffuse, region)
            refined.append(_psnr(layers["diffuse"], diffuse, region) - before)
    return {
        "highlight": _mean(psnr),
        "gain": _mean(gain),
        "change": _mean(change),
        "diffuse gain": _mean(refined),
    }


def _change(before: Floats, after: Floats) -> float:
    """RMS difference in 8-bit levels."""
    return float(255 * np.sqrt(np.square(after - before).mean()))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _psnr(a: Floats, b: Floats, region: NDArray[np.bool_]) -> float:
    return float(-10 * np.log10(np.square(a - b)[:, region].mean() + 1e-10))


SHOWN = ("clean", "diffuse", "highlight", "albedo", "shading")
"""The outputs that are scored or shown, where a network has them."""


def _sheet(pictures: list[Scored]) -> Image.Image:
    """Draw one picture a row, two rows side by side."""
    rows = []
    for image, layers, clean, _, _ in pictures:
        shading = layers.get("shading")
        if shading is not None:
            layers = layers | {"shading": optics.encode(shading / max(shading.max(), 1e-6))}
        shown = [layers[name] for name in SHOWN[2:] if name in layers]
        rows.append(np.concatenate([_tile(x) for x in (image, layers["clean"], clean, *shown)], 1))
    if len(rows) % 2:
        rows.append(np.zeros_like(rows[0]))
    pairs = [np.concatenate(rows[k : k + 2], 1) for k in range(0, len(rows), 2)]
    return Image.fromarray(np.rint(np.concatenate(pairs) * 255).astype(np.uint8))


def _tile(picture: Floats) -> Floats:
    """From (C, H, W) to (SIZE, SIZE, 3), with black beside what is not square."""
    picture = np.repeat(picture, 3, 0) if len(picture) == 1 else picture
    _, height, width = picture.shape
    scale = SIZE / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    tile = np.zeros((SIZE, SIZE, 3), np.float32)
    tile[: shape[0], : shape[1]] = resize_image(np.moveaxis(picture, 0, 2).clip(0, 1), shape)
    return tile
