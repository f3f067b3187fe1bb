"""A photograph of any size through the network: run once, asked often.

The network sees an image whose long side is at most the working size. Larger photographs are
reduced to it, and what the network changed is carried back to the full image (`upsampling`), so
that the photograph keeps its own detail and grain.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import engines, masks, optics, pixels
from unshine.cpus import available_cpus
from unshine.errors import UnshineError
from unshine.grain import Grain
from unshine.layers import Layers
from unshine.pixels import Floats
from unshine.upsampling import Enlargement, Planes

LAYERS = ("albedo", "shading", "specular", "diffuse", "clean", "highlight")
"""The layers that `Analysis.layer` gives."""
Source = Callable[[slice, Floats], Floats]
"""From some rows of the full image, and their display values, to the layer's values there."""
APART = ("albedo", "shading")
"""The layers that a network gives as they are; the others are changes to the image."""


class Remover:
    """Removes specular highlights; load once, call often, safe from several threads.

    It can be pickled, for worker processes: they load the same weights again.

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
        Pixels of the long side that the network sees at most; larger images keep their resolution
        all the same.
    variant : {"published", "physical", "mixed"}, optional
        Which TSHRNet the weights are for, where they do not say: "published" if left out.
    threads : int, optional
        Processors that one image keeps busy; all that there are if left out. Fewer are for who
        works on several images at a time. The engines but `onnx` share theirs among all images.

    Raises
    ------
    UnshineError
        If the engine, the device or the weights are not to be had.

    Examples
    --------
    >>> import numpy as np
    >>> remover = Remover()
    >>> image = np.full((40, 60, 3), 90, np.uint8)  # nothing shines here
    >>> analysis = remover.analyse(image)
    >>> np.array_equal(analysis.clean(), image)
    True
    >>> float(analysis.layer("highlight").max())
    0.0
    """

    def __init__(
        self,
        engine: str = "onnx",
        device: str = "auto",
        weights: str | Path | None = None,
        working_size: int = 1024,
        variant: str | None = None,
        threads: int | None = None,
    ) -> None:
        if working_size < 1:
            raise ValueError(f"working_size must be at least 1, not {working_size}.")
        self.working_size = working_size
        self.threads = threads or available_cpus()
        self.engine = engines.load(engine, device, weights, variant, threads)

    def __call__(self, image: Any, strength: float = 1.0, **options: Any) -> Any:
        """Remove the highlights: the same as `remove`."""
        return self.remove(image, strength, **options)

    def analyse(self, image: Any, power: NDArray[np.float32] | None = None) -> "Analysis":
        """Run the network on an image, once, for any number of questions.

        Parameters
        ----------
        image : ndarray, H×W, or H×W×C of 1 to 4 channels, or a Pillow image
            RGB or grey, each with or without alpha, display-encoded: uint8, uint16 or float in
            [0, 1]. Alpha is left alone.
        power : ndarray, 1×1×1×1, optional
            How dark images are brightened for the network, `exposure.exponent` of the whole where
            this is a part of it; the image's own if left out.

        Returns
        -------
        Analysis
            It refers to the image, which must not be written to while it is in use.

        Raises
        ------
        ValueError
            If this is no such image.
        UnshineError
            If a Pillow image has a mode whose values are not display values, such as CMYK.
        """
        values = pixels.from_pil(image) if isinstance(image, Image.Image) else np.asarray(image)
        working = pixels.reduce(pixels.rgb(values), self.working_size)
        batch = np.ascontiguousarray(working.transpose(2, 0, 1)[None])
        found = engines.ask(self.engine, batch, power=power)
        outputs = {name: output[0].transpose(1, 2, 0) for name, output in found.items()}
        return Analysis(values, working, outputs, self.engine.network, self.threads)

    def remove(
        self,
        image: Any,
        strength: float = 1.0,
        *,
        sensitivity: float = 0.5,
        mask: Any = None,
    ) -> Any:
        """Remove the highlights of an image, or of each image of a batch.

        Parameters
        ----------
        image : ndarray or Pillow image
            As for `analyse`; or a batch, N×H×W×C.
        strength, sensitivity, mask
            As for `Analysis.clean`. The mask of a batch is one for all, or N×H×W.

        Returns
        -------
        ndarray or Pillow image
            A new one of the same kind, type, mode and shape (an image with a palette comes back as
            RGB or RGBA). Pixels that the network does not change are identical, to the last bit.
            Up to the working size, changed ones are the network's own.

        Raises
        ------
        ValueError, UnshineError
            As for `analyse` and `Analysis.clean`.
        """
        if isinstance(image, Image.Image):
            clean = self.analyse(image).clean(strength, sensitivity, mask)
            return pixels.to_pil(clean, image)
        image = np.asarray(image)
        if image.ndim != 4:
            return self.analyse(image).clean(strength, sensitivity, mask)
        result = np.empty_like(image)
        masks = [mask] * len(image) if np.ndim(mask) < 3 else mask
        if len(masks) != len(image):
            raise ValueError(f"There are {len(masks)} masks for a batch of {len(image)} images.")
        for index, (one, where) in enumerate(zip(image, masks, strict=True)):
            result[index] = self.analyse(one).clean(strength, sensitivity, where)
        return result

    def decompose(self, image: Any) -> Layers[Floats]:
        """Take an image apart.

        Parameters
        ----------
        image : ndarray or Pillow image
            As for `analyse`.

        Returns
        -------
        Layers
            `albedo`, `shading`, `diffuse`, `specular`, `clean` and `highlight`, as `Analysis.layer`
            gives them.

        Raises
        ------
        UnshineError
            If the network does not tell albedo and shading apart; `Analysis.layer` gives the
            others.
        ValueError
            As for `analyse`.
        """
        analysis = self.analyse(image)
        return Layers(**{name: analysis.layer(name) for name in LAYERS})

    def layers(self, image: NDArray[Any], names: Sequence[str]) -> dict[str, Floats]:
        """Return some layers of an image; use ``analyse(image).layer(name)`` instead."""
        warnings.warn(
            "Remover.layers goes with version 0.3; use analyse(image).layer(name) instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        analysis = self.analyse(image)
        return {name: analysis.layer(name) for name in names}


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the network says about one image; `Remover.analyse` makes it.

    It may be asked from several threads.
    """

    image: NDArray[Any]
    """The image, as it came in."""
    working: Floats
    """What the network saw, h×w×3, display."""
    outputs: dict[str, Floats]
    """What it said, h×w×C each, in their layers' spaces."""
    network: Any
    """The `unshine.networks.Network` that said it."""
    threads: int = 1
    """How many runs of rows are worked on at a time."""

    def clean(
        self, strength: float = 1.0, sensitivity: float = 0.5, mask: Any = None
    ) -> NDArray[Any]:
        """Return the image without its highlights.

        Parameters
        ----------
        strength : float
            How much of the correction to apply, from 0 to 1, blended in linear light.
        sensitivity : float
            How readily something counts as a highlight, from 0 (nothing does) to 1 (everything
            does). 0.5 is the weights' own operating point. What is less certain goes in part.
        mask : ndarray, H×W, or Pillow image, optional
            The user's word on where highlights are: uint8, uint16, bool, or float in [0, 1], of the
            image's size. 1 (white) takes highlights even where the network is not sure, 0 (black)
            leaves the image alone to the last bit, 0.5 (grey, 127 or 128) lets the network decide;
            between them, evenly, in linear light. On large photographs it acts at full resolution,
            so that its edges are exact.

        Returns
        -------
        ndarray
            A new array of the image's type and shape.

        Raises
        ------
        ValueError
            If `strength` or `sensitivity` is no number in [0, 1], or `mask` is not such a mask.
        UnshineError
            If `sensitivity` is not 0.5 and the network has no highlight map (TSHRNet has none; a
            mask can only limit it, since its result counts as certain everywhere).
        """
        strength = pixels.share("strength", strength)
        sensitivity = pixels.share("sensitivity", sensitivity)
        mask = None if mask is None else masks.checked(mask, self._size)
        rgb, result = pixels.rgb(self.image), np.array(self.image)
        target = pixels.colours(result)
        if strength == 0:
            return result
        decided = self._carried(*self._decided(sensitivity))
        certain = self._carried(self._ungated()) if mask is not None else decided

        def work(rows: slice) -> None:
            before = pixels.to_display(rgb[rows])
            after = decided(rows, before)
            if mask is not None:
                say = masks.authority(mask[rows])
                after = _mix(after, certain(rows, before), say.clip(0, None))
                after = _mix(before, after, 1 + say.clip(None, 0))
            changed = (after != before).any(-1)
            values = _mix(before[changed], after[changed], strength)
            if target.ndim == 2:
                values = values.mean(-1)
            target[rows][changed] = pixels.from_display(values, target.dtype)

        pixels.work_on_strips(self._size, work, self.threads)
        return result

    def layer(self, name: str) -> Floats:
        """Return one layer at the image's resolution, at the weights' own operating point.

        `albedo`, `shading` and `specular` add up to the image, ``decode(image) ≈ decode(albedo) *
        shading + specular``, and ``decode(diffuse) + specular`` does so exactly wherever the
        diffuse light does not exceed the image. Grey images have three (nearly) equal channels.

        Parameters
        ----------
        name : {"albedo", "shading", "specular", "diffuse", "clean", "highlight"}
            `clean` is what `clean` returns, as float32. TSHRNet has no `highlight`: there it is
            `optics.highlight_map` of the image and `clean`.

        Returns
        -------
        ndarray, float32
            H×W×3, `highlight` H×W; in the layer's space (`unshine.layers.SPACE`), in [0, 1], but
            `shading` can exceed 1.

        Raises
        ------
        UnshineError
            If the network does not tell albedo and shading apart, and one of them is wanted.
        ValueError
            If there is no such layer.
        """
        if name not in LAYERS:
            raise ValueError(f"There is no layer {name!r}; choose from {', '.join(LAYERS)}.")
        if name in APART and name not in self.outputs:
            raise UnshineError(
                f"This network gives no {name}; ask for diffuse, specular, clean or the highlight"
                " map only."
            )
        if name == "highlight":
            return self.highlight()
        return self._whole(self._source(name), 3)

    def highlight(self, sensitivity: float = 0.5, mask: Any = None) -> Floats:
        """Return where `clean` takes highlights: the layer of that name, with the user's word.

        Parameters
        ----------
        sensitivity, mask
            As for `clean`.

        Returns
        -------
        ndarray, float32, H×W
            From 0 (nowhere) to 1 (certainly).

        Raises
        ------
        ValueError, UnshineError
            As for `clean`.
        """
        _, highlight = self._decided(pixels.share("sensitivity", sensitivity))
        say = None if mask is None else masks.authority(masks.checked(mask, self._size))
        if highlight is None:
            clean = self._source("clean")
            found = self._whole(lambda rows, x: optics.highlight_map(x, clean(rows, x), 2), 1)
        else:
            planes = Planes(highlight, self._size)
            found = self._whole(lambda rows, _: planes(rows), 1)
        found = found[..., 0]
        if say is not None:
            found += say.clip(0, None) * (1 - found)
            found *= 1 + say.clip(None, 0)
        return found

    @cached_property
    def _grain(self) -> Grain:
        return Grain(pixels.rgb(self.image))

    @property
    def _size(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def _decided(self, sensitivity: float) -> tuple[Floats, Floats | None]:
        """Return the network's result, h×w×3, and its highlight map, h×w×1, if it has one."""
        clean, highlight = self.outputs["clean"], self.outputs.get("highlight")
        if sensitivity != 0.5:
            if highlight is None:
                raise UnshineError(
                    "This network has no highlight map that could be more or less sensitive;"
                    " leave the sensitivity at 0.5."
                )
            highlight = self.network.highlight_map(self.outputs["logits"], sensitivity)
            clean = self.network.blend(self.working, self.outputs["ungated"], highlight)
        return clean, highlight

    def _ungated(self) -> Floats:
        """Return the result as if everywhere were a highlight, h×w×3."""
        return self.outputs.get("ungated", self.outputs["clean"]).clip(0, 1)

    def _carried(self, result: Floats, highlight: Floats | None = None) -> Source:
        """Carry a result, h×w×3, to the full image; up to the working size it stays exact."""
        if result.shape[:2] == self._size:
            return lambda rows, before: result[rows]
        return self._changed(result, highlight)

    def _changed(self, result: Floats, highlight: Floats | None = None) -> Source:
        """Carry a result, h×w×3, to the full image, as a change to it."""
        limit = None if highlight is None else highlight > 0
        change = Enlargement(self.working, result - self.working, self._size, limit)

        def after(rows: slice, before: Floats) -> Floats:
            return self._grain(rows, before, (before + change(rows, before)).clip(0, 1))

        return after

    def _source(self, name: str) -> Source:
        """Return what gives rows of a layer of three colours."""
        if name in APART:
            plain = Enlargement(self.working, self.outputs[name], self._size)
            if name == "albedo":
                return lambda rows, before: plain(rows, before).clip(0, 1)
            albedo, diffuse = self._source("albedo"), self._source("diffuse")
            # A·S is D at most: with R it never exceeds the image.
            return lambda rows, before: np.minimum(
                plain(rows, before).clip(0, None),
                optics.decode(diffuse(rows, before))
                / optics.decode(albedo(rows, before)).clip(1e-6, None),
            )
        if name == "specular":
            diffuse = self._source("diffuse")
            return lambda rows, before: optics.residue(
                optics.decode(before), optics.decode(diffuse(rows, before))
            ).clip(0, None)
        if name == "clean":
            return self._changed(*self._decided(0.5))
        return self._changed(self.outputs[name])

    def _whole(self, source: Source, channels: int) -> Floats:
        """Put the rows of a layer together, H×W×channels."""
        rgb = pixels.rgb(self.image)
        full = np.empty((*self._size, channels), np.float32)

        def work(rows: slice) -> None:
            full[rows] = source(rows, pixels.to_display(rgb[rows]))

        pixels.work_on_strips(self._size, work, self.threads)
        return full


def _mix(before: Floats, after: Floats, amount: Any) -> Floats:
    """From one image to another, evenly in linear light; the ends are exact.

    Parameters
    ----------
    before, after : ndarray, ...×3
        Display values.
    amount : float or ndarray, ...
        From 0 (before) to 1 (after).
    """
    amount = np.broadcast_to(np.asarray(amount, np.float32), before.shape[:-1])
    partly = (amount > 0) & (amount < 1)
    mixed: Floats = np.where(amount[..., None] > 0, after, before)
    light = optics.decode(before[partly])
    change = amount[partly][..., None] * (optics.decode(after[partly]) - light)
    mixed[partly] = optics.encode(light + change)
    return mixed
