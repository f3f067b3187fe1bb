"""Weights by their operating curves: the gain in highlights at a fixed harm.

    python benchmarks/operating_curve.py WEIGHTS... --mit DIR --shen-zheng DIR --scenes DIR

The sensitivity is swept. Harm is the RMS change, in 8-bit levels, of matte objects
(the pairs without a highlight), of whole scenes without gloss, and of the frozen matte tuples; the
gain is that of the highlight region's PSNR over the input, the mean of a set's images. Two weights
are compared at equal harm, never at one operating point.

What sensitivity 0.5 stands for follows a rule that looks at frozen sets alone: `operating_bias`.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from unshine import engines, pixels
from unshine.bench import protocols
from unshine.data.item import read_image
from unshine.layers import HIGHLIGHT_THRESHOLD
from unshine.networks import Network
from unshine.networks.weights import read_weights, write_weights
from unshine.pixels import Floats

FROZEN = Path(__file__).parent / "data" / "frozen"
"""Tuples of our own domain, and things that must stay; no training reads them."""
HARMS = (0.25, 0.5, 1, 2, 4)
BIASES = np.arange(-5, 2, 0.25)
"""Of the map's logits, among which the rule chooses."""
SENSITIVITIES = np.append(1 / (1 + np.exp(-np.arange(-3, 6, 0.125))), 1)
RARE = ("china", "enamel", "labels", "lamps", "milky way", "moon")
"""Of these, weights spoil few, but wholly: three times as many are frozen."""
LABELLED = 96
"""Photographs on which labels are stuck."""
LONG_SIDE = 1024
BRIGHT = 0.75
"""Display value from which something that must stay counts as bright."""


@dataclass(frozen=True)
class Answer:
    """What a network says of one image, and the truth."""

    image: Floats
    ungated: Floats
    logits: Floats
    truth: Floats
    mask: NDArray[np.bool_]
    network: Network

    def clean(self, where: NDArray[np.bool_], bias: float = 0, sensitivity: float = 0.5) -> Floats:
        """The result at some pixels, (N, 3), with the map's logits shifted by a bias."""
        network: Any = self.network
        highlight = network.highlight_map(self.logits[where] + np.float32(bias), sensitivity)
        return network.blend(self.image[where], self.ungated[where], highlight)

    def region(self) -> NDArray[np.bool_]:
        """The highlight region."""
        return ((self.image - self.truth).max(-1) > HIGHLIGHT_THRESHOLD) & self.mask

    def gains(self, bias: float) -> Floats:
        """PSNR in the highlight region less the input's, for each sensitivity."""
        where = self.region()
        truth = self.truth[where]
        after = np.array([_rms(self.clean(where, bias, s), truth) for s in SENSITIVITIES])
        return 20 * np.log10((_rms(self.image[where], truth) + 1e-5) / (after + 1e-5))

    def changed(self, bias: float = 0, sensitivity: float = 0.5) -> Floats:
        """The object's pixels that change at all, less what they were, (N, 3)."""
        network: Any = self.network
        highlight = network.highlight_map(self.logits + np.float32(bias), sensitivity)
        where = self.mask & (highlight > 0)[..., 0]
        return self.clean(where, bias, sensitivity) - self.image[where]

    def change(self, bias: float = 0, sensitivity: float = 0.5) -> float:
        """RMS change of the object in 8-bit levels."""
        total = np.square(self.changed(bias, sensitivity), dtype=np.float64).sum()
        return 255 * float(np.sqrt(total / (3 * self.mask.sum())))

    def changes(self, bias: float) -> Floats:
        """RMS change of the object in 8-bit levels, for each sensitivity."""
        return np.array([self.change(bias, s) for s in SENSITIVITIES])


def answer(
    engine: engines.Engine, image: Floats, truth: Floats, mask: NDArray[np.bool_] | None = None
) -> Answer:
    """Run a network on one image, H×W×3, display."""
    batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    found = engines.ask(engine, batch, ("ungated", "logits"))
    ungated, logits = (found[name][0].transpose(1, 2, 0) for name in ("ungated", "logits"))
    mask = np.ones(image.shape[:2], bool) if mask is None else mask
    return Answer(image, ungated, logits, truth, mask, engine.network)


def read_pairs(engine: engines.Engine, folder: Path, protocol: str) -> list[Answer]:
    """Run a network on a dataset's pairs."""
    chosen, entries = protocols.find(folder, protocol)
    examples = [chosen.load(entry) for entry in entries]
    return [answer(engine, x.image, x.diffuse, x.mask) for x in examples]


def read_frozen(engine: engines.Engine, kind: str) -> Iterator[tuple[str, Answer]]:
    """Run a network on the frozen "tuples", on "flat" things with glare, or on what must "stay"."""
    for path in sorted((FROZEN / kind).glob("*_image.png")):
        image = read_image(path)
        truth = path.with_name(path.name.replace("_image", "_clean"))
        yield (
            path.name.split("_")[0],
            answer(engine, image, read_image(truth) if truth.exists() else image),
        )


def read_scenes(engine: engines.Engine, folder: Path) -> list[Answer]:
    """Run a network on photographs of whole scenes without gloss."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    images = [pixels.reduce(pixels.rgb(read_image(path)), LONG_SIDE) for path in found]
    return [answer(engine, image, image) for image in images]


def read_labelled(engine: engines.Engine, folder: Path) -> Iterator[tuple[str, Answer]]:
    """Run a network on photographs of matte things on which labels are stuck, which must stay."""
    from unshine.synth import photographs

    matte = [path for path in sorted(folder.rglob("*.jpg")) if not photographs.is_shiny(path)]
    if not matte:
        raise typer.BadParameter(f"{folder} holds no photographs of matte things, .jpg.")
    for index in range(LABELLED):
        rng = np.random.default_rng((2_026_112_700, index))
        crop = next(photographs.crops(matte[rng.integers(len(matte))], 256, 1, rng))
        plain, image = (x / np.float32(255) for x in (crop, photographs.stuck(crop, rng)))
        where = np.abs(image - plain).max(-1) > 0.1
        yield "labels on photographs", answer(engine, image, image, where)


def auc(answers: list[Answer]) -> float:
    """Area under the ROC curve of the map, over the images that have a highlight."""
    glossy = [x for x in answers if x.region().mean() > 0.002]
    truth = np.concatenate([x.region().ravel() for x in glossy])
    order = np.concatenate([x.logits.ravel() for x in glossy]).argsort().argsort()
    count = int(truth.sum())
    above = float(order[truth].sum()) - count * (count - 1) / 2
    return above / (count * (len(truth) - count))


def operating_bias(
    scenes: list[Answer],
    stay: list[tuple[str, Answer]],
    matte: list[Answer],
    photos: list[Answer],
) -> float:
    """Choose the shipped operating point: one step below the largest bias that keeps the promises.

    Of whole scenes, p90 of the RMS change is at most 2 levels, and the median share of pixels that
    change by more than 8 levels below 0.3 %; frozen matte tuples change by at most 1 level on
    average; each kind of thing that must stay, labels stuck on photographs among them, changes by
    less than 3 levels where it is bright; no photograph, whether trained on or not, changes by more
    than 8 levels (RMS). The step is a margin for pictures that are in none of these sets.

    Parameters
    ----------
    scenes : list of Answer
        Photographs without gloss that nothing was trained on; may be empty.
    stay : list of (kind, Answer)
    matte : list of Answer
        The frozen tuples without a highlight.
    photos : list of Answer
        Further photographs without gloss, also such as were trained on; may be empty.
    """
    allowed = np.array([np.mean([x.change(bias) for x in matte]) <= 1 for bias in BIASES])
    for index, bias in enumerate(BIASES):
        if allowed[index] and scenes:
            shares = [
                (np.abs(x.changed(bias)).max(-1, initial=0) > 8 / 255).sum() / x.mask.size
                for x in scenes
            ]
            rms = [x.change(bias) for x in scenes]
            allowed[index] = np.percentile(rms, 90) <= 2 and np.median(shares) < 0.003
        if allowed[index]:
            allowed[index] = max(stay_changes(stay, bias).values()) < 3
        if allowed[index]:
            allowed[index] = max((x.change(bias) for x in (*scenes, *photos)), default=0) <= 8
    return float(BIASES[np.flatnonzero(allowed).max() - 1])


def stay_changes(stay: list[tuple[str, Answer]], bias: float) -> dict[str, float]:
    """Mean absolute change, in levels, of each kind of thing that must stay, where it is bright."""
    changes: dict[str, list[float]] = {}
    for kind, x in stay:
        bright = (x.image.max(-1) > BRIGHT) & x.mask
        if bright.any():
            change = np.abs(x.clean(bright, bias) - x.image[bright])
            changes.setdefault(kind, []).append(255 * float(change.mean()))
    return {kind: float(np.mean(values)) for kind, values in changes.items()}


def main(
    weights: Annotated[list[Path], typer.Argument(help="Weights, ONNX or safetensors.")],
    mit: Annotated[Path | None, typer.Option(help="Folder of MIT Intrinsic Images.")] = None,
    shen_zheng: Annotated[Path | None, typer.Option(help="Folder of Shen & Zheng's pairs.")] = None,
    shiq: Annotated[Path | None, typer.Option(help="Folder of SHIQ.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Folder of scenes without gloss.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="More of them for the rule, also such as were trained on.")
    ] = None,
    things: Annotated[
        Path | None, typer.Option(help="Photographs of matte things to stick labels on, for it.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", help="CSV and plot, less ending.")] = Path("curves"),
    ship: Annotated[
        Path | None,
        typer.Option(help="Write the last weights, safetensors, at the rule's operating point."),
    ] = None,
) -> None:
    """Write the operating curves of weights as CSV and as a plot."""
    pairs = {"mit": mit, "mit-x2": mit, "mit-x4": mit, "shen-zheng": shen_zheng, "shiq": shiq}
    given = {protocol: folder for protocol, folder in pairs.items() if folder}
    rows: list[dict[str, object]] = []
    shifted = read_weights(weights[-1]) if ship else None
    for path in weights:
        found, bias = curve(
            engines.load("onnx", "cpu", path, None), path.stem, given, scenes, photos, things
        )
        rows += found
    with out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, out.with_suffix(".png"))
    if ship and shifted:
        # The last four channels of the head are the logits of a cell's four pixels.
        name = "tone.head.bias"
        tensor = shifted.tensors[name].astype(np.float32)
        tensor[-4:] += bias
        shifted.tensors[name] = tensor
        write_weights(ship, shifted)


def curve(
    engine: engines.Engine,
    name: str,
    pairs: dict[str, Path],
    scenes: Path | None,
    photos: Path | None = None,
    things: Path | None = None,
) -> tuple[list[dict[str, object]], float]:
    """Return the rows of one network's curve and the rule's bias; print them, and the AUC."""
    frozen, flat = ([x for _, x in read_frozen(engine, kind)] for kind in ("tuples", "flat"))
    matte = [x for x in frozen if not x.region().any()]
    whole = read_scenes(engine, scenes) if scenes else []
    stay = list(read_frozen(engine, "stay"))
    stay += list(read_labelled(engine, things)) if things else []
    bias = operating_bias(whole, stay, matte, read_scenes(engine, photos) if photos else [])
    print(f"{name}: AUC in its own domain {auc(frozen):.3f}; the rule's bias {bias:g}")
    for kind, change in sorted(stay_changes(stay, bias).items(), key=lambda item: -item[1])[:5]:
        print(f"  {kind}: {change:.2f} levels where bright")

    gains = {
        name: np.mean([x.gains(bias) for x in answers if x.region().mean() > 0.002], 0)
        for name, answers in (("own", frozen), ("flat", flat))
    }
    harms = {"own": np.mean([x.changes(bias) for x in matte], 0)}
    mit = pairs.get("mit")
    for protocol, folder in pairs.items():
        found = read_pairs(engine, folder, protocol)
        if protocol == "mit" or folder != mit:
            # With their gloss doubled or quadrupled, the same objects count as glossy.
            glossy_ones = [x.region().sum() > 0.01 * x.mask.sum() for x in found]
        gains[protocol] = np.mean([x.gains(bias) for x in compress(found, glossy_ones)], 0)
        if protocol == "mit":
            objects = [x for x, shines in zip(found, glossy_ones, strict=True) if not shines]
            harms["matte"] = np.mean([x.changes(bias) for x in objects], 0)
    if whole:
        harms["scenes"] = np.mean([x.changes(bias) for x in whole], 0)
    rows: list[dict[str, object]] = []
    for on, harm in harms.items():
        at = np.interp(0.5, SENSITIVITIES, harm)
        for level in (*HARMS, at):
            sensitivity = 0.5 if level == at else float(np.interp(level, harm, SENSITIVITIES))
            row: dict[str, object] = {
                "weights": name, "harm on": on, "harm": round(float(level), 3),
                "rule": level == at, "sensitivity": round(sensitivity, 3),
            }  # fmt: skip
            row |= {
                f"{what} {s}": round(float(np.interp(sensitivity, SENSITIVITIES, values)), 3)
                for what, of in (("gain", gains), ("harm", harms))
                for s, values in of.items()
            }
            rows.append(row)
            print("  " + "  ".join(f"{key} {value}" for key, value in list(row.items())[1:]))
    return rows, bias


def plot(rows: list[dict[str, object]], path: Path) -> None:
    """Draw the mean gain over the real pairs (or the own domain) against each harm."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = list(dict.fromkeys(str(row["harm on"]) for row in rows))
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(4.5 * len(kinds), 4), squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        for name in dict.fromkeys(str(row["weights"]) for row in rows):
            own = [r for r in rows if r["weights"] == name and r["harm on"] == kind]
            real = [
                s for s in own[0] if s.startswith("gain") and s not in ("gain own", "gain flat")
            ]
            sets = real if kind != "own" and real else ["gain own"]
            points = sorted(
                (float(str(r["harm"])), float(np.mean([float(str(r[s])) for s in sets])))
                for r in own
            )
            axis.plot(*zip(*points, strict=True), marker="o", label=name)
        axis.set(
            xscale="log", xlabel=f"harm on {kind} (RMS levels)", ylabel="gain in highlights, dB"
        )
        axis.set_xticks(HARMS, [f"{harm:g}" for harm in HARMS])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def freeze(count: int = 40, each: int = 12, size: int = 128) -> None:
    """Make what the frozen sets lack; what they have stays as it is when the generators change."""
    import torch

    from unshine.synth import camera, flat, patterns, photographs, stay
    from unshine.synth.batch import BatchRandom
    from unshine.synth.procedural import Studio

    generator = torch.Generator().manual_seed(2_026_112_500)
    studio = Studio(size, patterns.atlas(8, seed=2026))
    with torch.no_grad():
        batches = [
            camera.develop(studio.render(8, generator), generator) for _ in range(count // 8)
        ]
    _freeze_pairs("tuples", batches)
    drawn = [flat.make(192, np.random.default_rng((2_026_112_600, k))) for k in range(16)]
    planes = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)
    relief = studio.atlas[..., :192, :192].expand(16, 1, 192, 192)
    with torch.no_grad():
        scene = photographs.light_up(
            BatchRandom(16, generator), planes[:, :3], None, relief, planes[:, 3:], flat.BANDS
        )
        _freeze_pairs("flat", [camera.develop(
            scene, generator, metered=False, window=flat.WINDOW, share=flat.SHARE
        )])  # fmt: skip
    for kind in stay.KINDS:
        for index in range(3 * each if kind in RARE else each):
            rng = np.random.default_rng((2_026_112_500, index, *kind.encode()))
            _freeze(FROZEN / "stay" / f"{kind}_{index}_image.png", stay.make(kind, size, rng))


def _freeze_pairs(kind: str, batches: list[Any]) -> None:
    for layer in ("image", "clean"):
        images = np.concatenate([getattr(batch, layer).permute(0, 2, 3, 1) for batch in batches])
        for index, image in enumerate(images):
            _freeze(FROZEN / kind / f"{index:03}_{layer}.png", image)


def _freeze(path: Path, image: Floats) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        Image.fromarray(pixels.from_display(image, np.dtype(np.uint8))).save(path)


def _psnr(a: Floats, b: Floats) -> float:
    return -20 * float(np.log10(_rms(a, b) + 1e-5))


def _rms(a: Floats, b: Floats) -> float:
    return float(np.sqrt(np.square(a - b, dtype=np.float64).mean()))


if __name__ == "__main__":
    typer.run(main)
