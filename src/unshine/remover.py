"""A photograph of any size through the network.

The network sees a picture whose long side is at most the working size. Larger photographs are
reduced to it, and what the network changed is carried back to the full picture, guided by the
picture itself, so that the photograph keeps its own detail and grain.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from unshine import optics
from unshine.errors import UnshineError
from unshine.networks import EXTRAS

Floats = NDArray[np.float32]

ENGINES = ("onnx", "torch", "mindspore")
NOT_ONNX = (".safetensors", ".ckpt", ".pth")
"""Endings of weights that ONNX Runtime cannot read; a folder is not for it either."""
RIDGE = 1e-4
"""Local variance of the guide below which its detail counts as noise (a hundredth, squared)."""
STRIP_PIXELS = 2**20
"""Full-resolution pixels that are worked on at a time; bounds the memory of large photographs."""


@dataclass(frozen=True)
class Layers:
    """The layers of a picture, float32, all of its height and width.

    For greyscale pictures the layers have three (nearly) equal channels; alpha is not looked at.
    ``optics.decode(image) ≈ optics.decode(albedo) * shading + specular``, and exactly
    ``optics.decode(diffuse) + specular`` wherever the diffuse light does not exceed the image.
    """

    albedo: Floats
    """The surface's colour, H×W×3, display, in [0, 1]."""
    shading: Floats
    """The light that falls on it, H×W×3, linear, at least 0; it can exceed 1."""
    diffuse: Floats
    """The picture without its specular light, H×W×3, display, in [0, 1]."""
    specular: Floats
    """The specular light, H×W×3, linear, in [0, 1]: the image minus `diffuse`, where positive."""
    clean: Floats
    """`diffuse` in the tone of the input and limited to the highlights, H×W×3, display, in [0, 1]:
    what `Remover.remove` returns."""
    highlight: Floats
    """Where a highlight is visible, H×W, in [0, 1]; `clean` is the image where it is zero. TSHRNet
    has no such map: there it is `optics.highlight_map` of the image and `clean`."""


class Engine(Protocol):
    """Who runs the network: one of `unshine.engines`."""

    device: str
    names: tuple[str, ...]

    def __call__(self, image: Floats, outputs: Sequence[str]) -> dict[str, Floats]:
        """Run the network on N×3×H×W display values."""


class Remover:
    """Removes specular highlights; load once, call often, safe from several threads.

    Parameters
    ----------
    engine : {"onnx", "torch", "mindspore"}
        Who runs the network. Weights that are no ONNX file go to PyTorch, or to MindSpore where
        PyTorch is not installed, instead of ONNX Runtime.
    device : {"auto", "cpu", "cuda", "mps", "ascend"}
        Where it runs; each engine knows some of these.
    weights : path, optional
        Other weights than the shipped ones: an ONNX or safetensors file, or a folder with the
        published checkpoints of TSHRNet.
    working_size : int
        Pixels of the long side that the network sees at most; larger pictures keep their
        resolution all the same.
    variant : {"published", "physical", "mixed"}, optional
        Which TSHRNet the weights are for, where they do not say: "published" if left out.

    Raises
    ------
    UnshineError
        If the engine, the device or the weights are not to be had.
    """

    def __init__(
        self,
        engine: str = "onnx",
        device: str = "auto",
        weights: str | Path | None = None,
        working_size: int = 1024,
        variant: str | None = None,
    ) -> None:
        if engine not in ENGINES:
            raise UnshineError(f"There is no engine {engine!r}; choose {' or '.join(ENGINES)}.")
        if working_size < 1:
            raise ValueError(f"working_size must be at least 1, not {working_size}.")
        self.working_size = working_size
        self._engine = _engine(engine, device, weights, variant)

    def __call__(self, image: NDArray[Any], strength: float = 1.0) -> NDArray[Any]:
        """Remove the highlights: the same as `remove`."""
        return self.remove(image, strength)

    def remove(self, image: NDArray[Any], strength: float = 1.0) -> NDArray[Any]:
        """Remove the highlights of a picture.

        Parameters
        ----------
        image : ndarray, H×W×3, H×W×4 or H×W
            Display-encoded uint8, uint16 or float; floats in [0, 1]. Alpha is left alone.
        strength : float
            How much of the correction to apply, from 0 to 1, blended in linear light.

        Returns
        -------
        ndarray
            A new array of the same type and shape. Pixels that the network does not change are
            identical, to the last bit. Up to the working size, changed ones are the network's own.

        Raises
        ------
        ValueError
            If the array is not such a picture, or the strength is not in [0, 1].
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be between 0 and 1, not {strength}.")
        rgb = _colours(image)
        result = np.array(image)
        if strength == 0:
            return result
        target = result if result.ndim == 2 else result[..., :3]
        working = _reduced(rgb, self.working_size)
        limit = None
        if "highlight" in self._engine.names:
            clean, highlight = self._run(working, "clean", "highlight")
            limit = highlight > 0
        else:
            (clean,) = self._run(working, "clean")
        correction = _Enlargement(working, clean - working, (rgb.shape[0], rgb.shape[1]), limit)
        for rows in _strips(rgb.shape):
            picture = _display(rgb[rows])
            change = correction(rows, picture)
            changed = change.any(-1)
            before = picture[changed]
            if correction.same_size:
                after = clean[rows][changed]
            else:
                after = (before + change[changed]).clip(0, 1)
            if strength < 1:
                light = optics.decode(before)
                after = optics.encode(light + strength * (optics.decode(after) - light))
            if target.ndim == 2:
                after = after.mean(-1)
            target[rows][changed] = _encoded(after, target.dtype)
        return result

    def decompose(self, image: NDArray[Any]) -> Layers:
        """Take a picture apart.

        Parameters
        ----------
        image : ndarray, H×W×3, H×W×4 or H×W
            As for `remove`.

        Returns
        -------
        Layers
            At the picture's resolution. `clean` is what `remove` returns, as float32.

        Raises
        ------
        UnshineError
            If the network does not tell albedo and shading apart; `layers` gives the others.
        ValueError
            If the array is not such a picture.
        """
        return Layers(**self.layers(image, [field.name for field in fields(Layers)]))

    def layers(self, image: NDArray[Any], names: Sequence[str]) -> dict[str, Floats]:
        """Take a picture apart, and keep only some of its layers.

        Parameters
        ----------
        image : ndarray, H×W×3, H×W×4 or H×W
            As for `remove`.
        names : sequence of str
            Which fields of `Layers` to return.

        Returns
        -------
        dict of str to ndarray, float32
            As in `Layers`.

        Raises
        ------
        UnshineError
            If the network does not tell albedo and shading apart, and one of them is wanted.
        ValueError
            If the array is not such a picture.
        """
        if lacking := {"albedo", "shading"} & set(names) - set(self._engine.names):
            raise UnshineError(
                f"This network gives no {' and no '.join(sorted(lacking))}; ask for diffuse,"
                " specular, clean or the highlight mask only."
            )
        rgb = _colours(image)
        size = (rgb.shape[0], rgb.shape[1])
        working = _reduced(rgb, self.working_size)
        apart = [name for name in ("albedo", "shading") if name in names]
        mapped = "highlight" in self._engine.names
        outputs = [*apart, "diffuse", "clean", *(["highlight"] if mapped else [])]
        found = dict(zip(outputs, self._run(working, *outputs), strict=True))
        limit = found["highlight"] > 0 if mapped else None
        plain = {name: _Enlargement(working, found[name], size) for name in apart}
        to_diffuse = _Enlargement(working, found["diffuse"] - working, size)
        to_clean = _Enlargement(working, found["clean"] - working, size, limit)
        soft = _Planes(found["highlight"], size) if mapped else None
        full = {
            name: np.empty(size if name == "highlight" else (*size, 3), np.float32)
            for name in names
        }
        for rows in _strips(rgb.shape):
            before = _display(rgb[rows])
            layers = {name: source(rows, before).clip(0, None) for name, source in plain.items()}
            if "albedo" in layers:
                layers["albedo"] = layers["albedo"].clip(0, 1)
            layers["diffuse"] = (before + to_diffuse(rows, before)).clip(0, 1)
            layers["clean"] = (before + to_clean(rows, before)).clip(0, 1)
            light, diffuse_light = optics.decode(before), optics.decode(layers["diffuse"])
            layers["specular"] = optics.residue(light, diffuse_light).clip(0, None)
            highlight = soft(rows) if soft else optics.highlight_map(before, layers["clean"], 2)
            layers["highlight"] = highlight[..., 0]
            for name in names:
                full[name][rows] = layers[name]
        return full

    def _run(self, working: Floats, *outputs: str) -> tuple[Floats, ...]:
        """Run the network on one h×w×3 picture; return h×w×C arrays."""
        batch = np.ascontiguousarray(working.transpose(2, 0, 1)[None])
        layers = self._engine(batch, outputs)
        return tuple(layers[name][0].transpose(1, 2, 0) for name in outputs)


def remove_classically(
    method: Callable[[Floats], Floats], image: NDArray[Any], strength: float = 1.0
) -> NDArray[Any]:
    """Remove the highlights of a picture by one of `unshine.classical`'s methods.

    Parameters
    ----------
    method : callable
        From linear RGB, H×W×3 in [0, 1], to its diffuse part.
    image, strength
        As for `Remover.remove`; the whole picture is worked on at its own size.

    Returns
    -------
    ndarray
        A new array of the same type and shape.
    """
    rgb = _colours(image)
    before = _display(rgb)
    light = optics.decode(before)
    after = optics.encode(light + strength * (method(light).clip(0, 1) - light)).clip(0, 1)
    result = np.array(image)
    target = result if result.ndim == 2 else result[..., :3]
    changed = (np.abs(after - before) > 1e-6).any(-1)
    values = after[changed].mean(-1) if target.ndim == 2 else after[changed]
    target[changed] = _encoded(values, target.dtype)
    return result


def _engine(name: str, device: str, weights: str | Path | None, variant: str | None) -> Engine:
    """Load the engine that the weights need; its own dependency is needed by its users alone."""
    chosen = name
    if weights is not None:
        path = Path(weights)
        foreign = path.is_dir() or path.suffix in NOT_ONNX
        if name == "onnx" and foreign:
            chosen = "torch" if find_spec("torch") else "mindspore"
        elif name != "onnx" and path.suffix == ".onnx":
            raise UnshineError(f"{path}: an ONNX file needs the engine onnx, not {name}.")
    if chosen == "onnx" and variant is not None:
        raise UnshineError("A variant is for TSHRNet's own weights, not for an ONNX file.")
    try:
        if chosen == "onnx":
            from unshine.engines.onnx import OnnxEngine

            return OnnxEngine(weights, device)
        if chosen == "torch":
            from unshine.engines.torch import TorchEngine

            return TorchEngine(weights, device, variant)
        from unshine.engines.mindspore import MindSporeEngine

        return MindSporeEngine(weights, device, variant)
    except ImportError as error:
        if chosen not in EXTRAS:
            raise
        title, extra = EXTRAS[chosen]
        fault = "is missing" if error.name == chosen else f"cannot be used ({error})"
        raise UnshineError(
            f'{title} {fault}; install it with: pip install "unshine[{extra}]"'
        ) from None


class _Planes:
    """Enlarges h×w×C values to a full-size picture, bilinearly, some rows at a time."""

    def __init__(self, values: Floats, size: tuple[int, int]) -> None:
        self.height, self.width = size
        channels = np.ascontiguousarray(values.transpose(2, 0, 1))
        self.planes = [Image.fromarray(channel) for channel in channels]

    def __call__(self, rows: slice) -> Floats:
        first = self.planes[0]
        scale = first.height / self.height
        box = (0, rows.start * scale, first.width, min(rows.stop * scale, first.height))
        size = (self.width, rows.stop - rows.start)
        bilinear = Image.Resampling.BILINEAR
        return np.stack([np.asarray(p.resize(size, bilinear, box)) for p in self.planes], -1)


class _Enlargement:
    """Carries a layer from working resolution to the full picture.

    The fast guided filter's local model, layer ≈ a·guide + b, is used for what the working
    resolution cannot know: layer = enlarged(layer) + enlarged(a) · (guide − enlarged(guide)). In
    this form the layer stays true to the network's at working resolution, where the filter's
    own a·guide + b would smooth it, and zero stays zero.

    The guide is the mean of the colours, which leaves no colour cast; windows of 3×3 and display
    values served best (real photographs with known highlights, reduced 2 and 4 times: 41.6 and
    37.3 dB in the highlights, against 37.6 and 33.9 for plain enlarging and 38.8 and 35.4 for the
    filter's usual form; larger windows and linear light cost 1 to 5 dB).

    Parameters
    ----------
    working : ndarray, h×w×3
        The picture at working resolution, display.
    layer : ndarray, h×w×C
        What to enlarge.
    size : tuple of int
        The full picture's height and width.
    limit : ndarray of bool, h×w×1, optional
        Beyond this region, and a working pixel around it, the enlarged layer is zero.

    References
    ----------
    He and Sun, "Fast Guided Filter", 2015.
    """

    def __init__(
        self,
        working: Floats,
        layer: Floats,
        size: tuple[int, int],
        limit: NDArray[np.bool_] | None = None,
    ) -> None:
        self.same_size = working.shape[:2] == size
        self.layer = layer
        if self.same_size:
            return
        guide = working.mean(-1, keepdims=True)
        mean = _box(guide)
        covariance = _box(guide * layer) - mean * _box(layer)
        variance: Floats = (_box(guide * guide) - mean * mean).clip(0)
        slope = _box(covariance / (variance + RIDGE))
        self.planes = _Planes(np.concatenate([layer, slope, guide], -1), size)
        self.limit = None
        if limit is not None:
            mask = Image.fromarray(limit[..., 0].astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
            self.limit = _Planes(np.asarray(mask, np.float32)[..., None], size)

    def __call__(self, rows: slice, picture: Floats) -> Floats:
        """Return the layer for some rows of the full picture, given those rows, r×W×3."""
        if self.same_size:
            return self.layer[rows]
        if self.limit is not None:
            limit = self.limit(rows)
            if not limit.any():
                return np.zeros_like(picture)
        channels = self.layer.shape[-1]
        planes = self.planes(rows)
        layer, slope, guide = np.split(planes, [channels, 2 * channels], axis=-1)
        layer += slope * (picture.mean(-1, keepdims=True) - guide)
        if self.limit is not None:
            layer *= limit
        return layer


def _colours(image: NDArray[Any]) -> NDArray[Any]:
    """Check a picture and return its H×W×3 colours, as a view where that is possible."""
    image = np.asarray(image)
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise ValueError(f"A picture is H×W, H×W×3 or H×W×4, not {image.shape}.")
    if image.size == 0:
        raise ValueError(f"The picture has no pixels: its shape is {image.shape}.")
    if image.dtype.kind != "f" and image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"A picture is uint8, uint16 or float, not {image.dtype}.")
    if image.ndim == 2:
        image = np.broadcast_to(image[..., None], (*image.shape, 3))
    rgb = image[..., :3]
    if rgb.dtype.kind == "f":
        low, high = float(rgb.min()), float(rgb.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("The picture holds values that are not finite (NaN or infinity).")
        # A resampled picture may overshoot a little; one in [0, 255] must not pass for white.
        if low < -1 or high > 2:
            raise ValueError(f"A float picture is in [0, 1]; this one is in [{low:g}, {high:g}].")
    return rgb


def _display(rgb: NDArray[Any]) -> Floats:
    """Turn uint8, uint16 or float values into float32 display values in [0, 1]."""
    if rgb.dtype.kind == "f":
        return rgb.clip(0, 1).astype(np.float32)
    return rgb.astype(np.float32) / np.float32(np.iinfo(rgb.dtype).max)


def _encoded(display: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Turn float32 display values into values of the given type."""
    if dtype.kind == "f":
        return display.astype(dtype)
    return np.rint(display * np.float32(np.iinfo(dtype).max)).astype(dtype)


def _reduced(rgb: NDArray[Any], working_size: int) -> Floats:
    """Return the picture as float32 display values, area-averaged to the working size."""
    height, width = rgb.shape[:2]
    scale = working_size / max(height, width)
    if scale >= 1:
        return _display(rgb)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = [Image.fromarray(_display(rgb[..., channel])) for channel in range(3)]
    return np.stack([np.asarray(p.resize(size, Image.Resampling.BOX)) for p in planes], -1)


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut a picture into runs of rows of about `STRIP_PIXELS` pixels each."""
    height, width = shape[:2]
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def _box(values: Floats) -> Floats:
    """Return the mean of every 3×3 window of h×w×C values; the border is repeated outwards."""
    values = np.pad(values, ((1, 1), (1, 1), (0, 0)), "edge")
    values = values[:-2] + values[1:-1] + values[2:]
    mean: Floats = (values[:, :-2] + values[:, 1:-1] + values[:, 2:]) / np.float32(9)
    return mean
