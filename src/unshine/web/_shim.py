"""Stands in for `Remover.analyse`, `io.stills` and `io.light` until they are there."""

import io
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.io import stills as old
from unshine.remover import Remover, _display, _encoded

TITLES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "bmp": "BMP", "tiff": "TIFF"}


class Still:
    def __init__(self, still: Any, data: bytes, kind: str) -> None:
        self.old, self.data, self.kind = still, data, kind
        self.pixels, self.alpha, self.transfer = still.pixels, still.alpha, "display"
        self.bit_depth = 8 * self.pixels.dtype.itemsize

    def profile(self) -> Any:
        return self.old.icc_profile


def detect(data: bytes) -> Any:
    try:
        with Image.open(io.BytesIO(data), formats=old._READABLE) as image:
            return str(image.format).lower().replace("mpo", "jpeg")
    except Exception:
        return None


def read(data: bytes, max_pixels: int, name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=old._READABLE) as image:
                if image.width * image.height > max_pixels:
                    raise UnshineError(f"{name}: the image has more than {max_pixels} pixels.")
                old._refuse_losses(Path(name), image)
                image.load()
                return Still(old._still(image), data, str(image.format).lower())
    except UnshineError:
        raise
    except Exception as error:
        raise UnshineError(f"{name}: the image is damaged ({error}).") from error


def encode(still: Any, format: Any = None, *, quality: Any = None) -> bytes:
    kind = format or still.kind
    if kind == still.kind and quality is None and (still.pixels == still.old.pixels).all():
        return bytes(still.data)
    ending = {"jpeg": "jpg", "tiff": "tif"}.get(kind, kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{ending}"
        old.write(replace(still.old, pixels=still.pixels), path)
        return path.read_bytes()


def for_display(still: Any) -> Any:
    return still.pixels


def with_display(still: Any, clean: Any) -> Any:
    new = Still(still.old, still.data, still.kind)
    new.pixels = clean
    return new


stills = SimpleNamespace(read=read, encode=encode, detect=detect, TITLES=TITLES)
light = SimpleNamespace(for_display=for_display, with_display=with_display)


def highlight_map(logits: Any, sensitivity: float = 0.5) -> Any:
    if sensitivity in (0, 1):
        return 0 * logits + sensitivity
    half = 0.5 * logits + np.log(sensitivity / (1 - sensitivity))
    return (2.1 / (1 + np.exp(-half)) - 1).clip(0, 1)


class Analysis:
    def __init__(self, remover: Remover, image: Any) -> None:
        self.image = image
        self.layers = remover.decompose(image)
        h = self.layers.highlight
        before = self.display()
        grown = before + (self.layers.clean - before) / np.maximum(h, 0.05)[..., None]
        self.ungated = np.where(h[..., None] > 0, grown, before).clip(0, 1).astype(np.float32)
        p = ((h + 1) / 2.1).clip(0.02, 0.98)
        logits = np.where(h > 0, 2 * np.log(p / (1 - p)), -6).astype(np.float32)
        self.outputs = {"logits": logits[..., None]}
        self.network = SimpleNamespace(highlight_map=highlight_map)

    def display(self) -> Any:
        rgb = self.image if self.image.ndim == 3 else np.repeat(self.image[..., None], 3, -1)
        return _display(rgb)

    def clean(self, strength: float = 1.0, sensitivity: float = 0.5, mask: Any = None) -> Any:
        before = self.display()
        h = highlight_map(self.outputs["logits"], sensitivity)
        after = (before + h * (self.ungated - before)).clip(0, 1)
        amount: Any = strength
        if mask is not None:
            say = ((mask.astype(np.float32) - 127.5) / 127.5)[..., None]
            say = np.where(abs(say) < 0.005, 0, say)
            after = mix(after, self.ungated, say.clip(0))
            amount = strength * (1 + say.clip(None, 0))
        after = np.where(amount * (after != before) > 0, mix(before, after, amount), before)
        if self.image.ndim == 2:
            after = after.mean(-1)
        return _encoded(after, self.image.dtype)

    def layer(self, name: str) -> Any:
        return getattr(self.layers, name)


def mix(a: Any, b: Any, amount: Any) -> Any:
    return optics.encode(optics.decode(a) + amount * (optics.decode(b) - optics.decode(a)))


def analyse(remover: Remover, image: Any) -> Any:
    return Analysis(remover, image)
