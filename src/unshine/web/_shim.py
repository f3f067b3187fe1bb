"""Stands in for `Analysis` and `stills.read/encode` until they are there. To be deleted."""

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.io import stills
from unshine.remover import Remover, _display, _encoded, _Planes, _reduced


def read(data: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=stills._READABLE) as image:
                stills._refuse_losses("upload", image)  # type: ignore[arg-type]
                image.load()
                still = stills._still(image)
                object.__setattr__(still, "format", image.format)
                return still
    except UnshineError:
        raise
    except Image.UnidentifiedImageError:
        raise UnshineError("this is not a JPEG, PNG, WebP, BMP or TIFF image.") from None
    except Exception as error:
        raise UnshineError(f"the image is damaged ({error}).") from error


def encode(still: Any, format: str, quality: int | None = None) -> bytes:
    import tempfile
    from pathlib import Path

    ending = {"jpeg": "jpg", "tiff": "tif"}.get(format, format)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{ending}"
        stills.write(still, path)
        return path.read_bytes()


class Analysis:
    def __init__(self, remover: Remover, image: Any) -> None:
        self.image = image
        self.layers = remover.decompose(image)
        h = self.layers.highlight
        before = self.display()
        grown = before + (self.layers.clean - before) / np.maximum(h, 0.05)[..., None]
        self.ungated = np.where(h[..., None] > 0, grown, before).clip(0, 1).astype(np.float32)
        p = ((h + 1) / 2.1).clip(0.02, 0.98)
        self.logits = np.where(h > 0, 2 * np.log(p / (1 - p)), -6).astype(np.float32)

    def display(self) -> Any:
        rgb = self.image if self.image.ndim == 3 else np.repeat(self.image[..., None], 3, -1)
        return _display(rgb)

    def clean(self, strength: float = 1.0, sensitivity: float = 0.5, mask: Any = None) -> Any:
        before = self.display()
        h = highlight_map(self.logits, sensitivity, mask)[..., None]
        after = before + h * (self.ungated - before)
        light = optics.decode(before)
        after = optics.encode(light + strength * (optics.decode(after) - light)).clip(0, 1)
        after = np.where(h * strength > 0, after, before)
        if self.image.ndim == 2:
            after = after.mean(-1)
        return _encoded(after, self.image.dtype)

    def layer(self, name: str) -> Any:
        return getattr(self.layers, name) if hasattr(self.layers, name) else getattr(self, name)


def highlight_map(logits: Any, sensitivity: float = 0.5, mask: Any = None) -> Any:
    logits = logits + 8 * (sensitivity - 0.5)
    if mask is not None:
        mask = np.asarray(mask, np.float32) / (255 if mask.dtype == np.uint8 else 1)
        logits = logits + 40 * (mask - 0.5) * (np.abs(mask - 0.5) > 0.004)
    return (2.1 / (1 + np.exp(-0.5 * logits)) - 1).clip(0, 1)


__all__ = ["Analysis", "_Planes", "_reduced", "encode", "highlight_map", "read"]
