"""How good the weights are so far: scores on tuples never trained on, a sheet to look at."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from unshine import optics
from unshine.data import mit_intrinsic, pairs
from unshine.errors import UnshineError
from unshine.synth import camera, patterns
from unshine.synth.camera import Tuples
from unshine.synth.procedural import Studio

SEED = 2_023_000_000
"""Far from every seed of `ProceduralStream`."""

COUNT, SIZE = 64, 128


@cache
def tuples() -> Tuples:
    """The fixed synthetic validation set; made on the CPU, so the same on every machine."""
    generator = torch.Generator().manual_seed(SEED)
    studio = Studio(SIZE, patterns.atlas(8, seed=SEED))
    with torch.no_grad():
        batches = [
            camera.develop(studio.render(8, generator), generator) for _ in range(COUNT // 8)
        ]
    return Tuples(*(torch.cat(parts) for parts in zip(*batches, strict=True)))


def validate(model: nn.Module, real: Path | None = None) -> tuple[dict[str, float], Image.Image]:
    """Score a model.

    Returns
    -------
    scores : dict
        On the synthetic set: PSNR in the highlight region and its gain over the input, and the
        change (RMS, 8-bit levels) of pictures that have no highlight. With a folder of
        `real` pairs, also the gain on glossy and the change of matte ones.
    sheet : PIL image
        Input, result, truth, highlight map, A, S of some tuples, one a row.
    """
    model.eval()
    device = next(model.parameters()).device
    truth = tuples()
    with torch.no_grad():
        parts = [model(image.to(device)) for image in truth.image.split(8)]
    outputs = [torch.cat([part[k].float().cpu() for part in parts]) for k in range(6)]
    albedo, shading, diffuse, _, clean, highlight = outputs
    scores = _scores(truth.image, clean, truth.clean)
    scores["diffuse gain"] = _scores(truth.image, diffuse, truth.diffuse)["gain"]
    if real is not None:
        scores |= _real(model, real)
    encoded = optics.encode(shading / shading.amax((1, 2, 3), keepdim=True))
    columns = (truth.image, clean, truth.clean, highlight, albedo, encoded)
    sheet = torch.cat([x.expand(-1, 3, -1, -1) for x in columns], 3)[:16]
    height, width = sheet.shape[-2:]
    two = sheet.permute(0, 2, 3, 1).reshape(8, 2, height, width, 3).permute(0, 2, 1, 3, 4)
    pixels = (two.reshape(8 * height, 2 * width, 3).clip(0, 1) * 255).round().byte()
    return scores, Image.fromarray(pixels.numpy())


def _scores(images: Tensor, results: Tensor, truths: Tensor) -> dict[str, float]:
    regions = (images - truths).amax(1, keepdim=True) > 0.04
    psnr, gain, change = [], [], []
    for before, after, truth, region in zip(images, results, truths, regions, strict=True):
        share = float(region.float().mean())
        where = region.expand_as(before)
        if share > 0.002:
            psnr.append(_psnr(after[where], truth[where]))
            gain.append(psnr[-1] - _psnr(before[where], truth[where]))
        elif share < 0.0005:
            change.append(_change(before, after))
    return {"highlight": _mean(psnr), "gain": _mean(gain), "change": _mean(change)}


def _real(model: nn.Module, folder: Path) -> dict[str, float]:
    """Highlight-region gain of glossy objects, change of those with hardly any highlight."""
    readers = (mit_intrinsic, pairs)
    reader = next((reader for reader in readers if reader.find(folder)), None)
    if reader is None:
        raise UnshineError(f"{folder} has no MIT Intrinsic objects and no pairs of pictures.")
    gain, change = [], []
    for entry in reader.find(folder):
        example = reader.read(entry)
        before, truth = (
            torch.from_numpy(x).permute(2, 0, 1) for x in (example.image, example.diffuse)
        )
        with torch.no_grad():
            image = before[None].to(next(model.parameters()).device)
            after = model(image).clean[0].float().cpu()
        mask = torch.from_numpy(example.mask)
        region = ((before - truth).amax(0) > 0.04) & mask
        if region.sum() > 0.01 * mask.sum():
            old, new = (_psnr(x[:, region], truth[:, region]) for x in (before, after))
            gain.append(new - old)
        else:
            change.append(_change(before[:, mask], after[:, mask]))
    return {"real gain": _mean(gain), "real change": _mean(change)}


def _change(before: Tensor, after: Tensor) -> float:
    """RMS difference in 8-bit levels."""
    return float(255 * (after - before).square().mean().sqrt())


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean() + 1e-10))


def plot(folder: Path) -> None:
    """Draw ``log.csv`` and ``validation.csv`` of a run as ``curves.png``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.5))
    for axis, name in zip(axes, ("log.csv", "validation.csv"), strict=True):
        if not (folder / name).exists():
            continue
        with (folder / name).open() as file:
            rows = list(csv.DictReader(file))
        samples = [float(row["samples"]) for row in rows]
        for column in rows[0]:
            if column not in ("step", "samples", "seconds", "rate"):
                axis.plot(samples, [float(row[column]) for row in rows], label=column)
        axis.set(xlabel="samples", title=name)
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    figure.tight_layout()
    figure.savefig(folder / "curves.png", dpi=80)
    pyplot.close(figure)
