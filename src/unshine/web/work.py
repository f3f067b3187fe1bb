"""What the server does to an image, from the bytes of a file to the bytes of an answer.

Nothing in here knows of HTTP or of queues: the same functions run in a thread of the server and in
a process of a cluster.
"""

import io
import json
import zipfile
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from unshine import optics
from unshine.errors import UnshineError
from unshine.remover import Remover
from unshine.web import _shim
from unshine.web.jobs import Steps
from unshine.web.problems import Problem

Format = Literal["jpeg", "png", "webp", "tiff", "bmp"]
MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
}
Layer = Literal["albedo", "shading", "diffuse", "specular", "clean", "highlight"]
LAYERS: tuple[Layer, ...] = ("albedo", "shading", "diffuse", "specular", "clean", "highlight")

LOGIT = 8.0
"""The preview's logits are stored in 8 bits, from minus to plus this."""
TABLE = (256, 33, 17)
"""Entries of the preview's table of the highlight map: logits, sensitivities, mask values."""


class Parameters(BaseModel):
    """Settings of a request; a name that is not known is an error, since it may be a typing one."""

    model_config = ConfigDict(extra="forbid")


class HowMuch(Parameters):
    """What is to be removed."""

    strength: float = Field(
        1.0, ge=0, le=1, description="How much of the correction to apply, blended in linear light."
    )
    sensitivity: float = Field(
        0.5, ge=0, le=1, description="How readily something counts as a highlight."
    )


class RemoveParameters(HowMuch):
    """Settings of ``/v1/remove``."""

    format: Format | None = Field(None, description="The answer's format; the image's own if not.")
    quality: int | None = Field(None, ge=1, le=100, description="For JPEG and WebP.")


class DecomposeParameters(Parameters):
    """Settings of ``/v1/decompose``."""

    layers: str = Field(
        "albedo,shading,diffuse,specular,highlight",
        description=f"Which, with commas between: any of {', '.join(LAYERS)}.",
    )
    format: Literal["zip", "exr"] = Field(
        "zip", description="PNG files in a zip archive, or one EXR file in linear light."
    )


class MaskParameters(Parameters):
    """Settings of ``/v1/mask``."""

    style: Literal["highlight", "exclude"] = Field(
        "highlight",
        description="`highlight`: white where a highlight is; `exclude`: black there, white"
        " elsewhere, as photogrammetry programs want it.",
    )
    sensitivity: float = HowMuch.model_fields["sensitivity"]  # type: ignore[assignment]


class PreviewParameters(Parameters):
    """Settings of ``/v1/preview``."""

    pixels: int = Field(
        24_000_000, ge=10_000, le=100_000_000, description="Pixels of the planes at most."
    )
    layers: str = Field("", description="Layers that are wanted as well, with commas between.")


@dataclass
class Answer:
    """What goes back to the client."""

    body: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Worker:
    """Does the server's work with one `Remover`; what `jobs.Runner` runs.

    Parameters
    ----------
    remover : Remover
        Runs the network.
    max_pixels : int
        Larger images are refused before they are decoded.
    """

    remover: Remover
    max_pixels: int

    def __call__(self, name: str, steps: Steps, **arguments: Any) -> Answer:
        """Do the work of the given name and say how long each of its steps took."""
        works = {
            "remove": self.remove,
            "decompose": self.decompose,
            "mask": self.mask,
            "preview": self.preview,
        }
        try:
            answer = works[name](steps, **arguments)
        except MemoryError:
            raise Problem("too-large", "There is not enough memory for this image.") from None
        answer.headers["Server-Timing"] = ", ".join(
            f"{step};dur={seconds * 1000:.0f}" for step, seconds in steps.seconds.items()
        )
        return answer

    def remove(
        self, steps: Steps, file: bytes, mask: bytes | None, parameters: RemoveParameters
    ) -> Answer:
        """Remove the highlights; the file comes back as it was, without them."""
        with steps("read"):
            still = self._read(file)
            where = None if mask is None else self._mask(mask, still.pixels.shape[:2])
        with steps("analyse"):
            analysis = _shim.Analysis(self.remover, still.pixels)
        with steps("clean"):
            pixels = analysis.clean(parameters.strength, parameters.sensitivity, where)
            changed = still.pixels != pixels
            share = float((changed.any(-1) if changed.ndim == 3 else changed).mean())
        format = parameters.format or still.format.lower()
        with steps("encode"):
            if not share and parameters.format is None and parameters.quality is None:
                body = file
            else:
                try:
                    body = _shim.encode(replace(still, pixels=pixels), format, parameters.quality)
                except UnshineError as error:
                    raise Problem("unsupported", str(error)) from None
        headers = {"X-Unshine-Changed": f"{share:.6f}"}
        return Answer(body, MEDIA_TYPES[format], headers)

    def decompose(self, steps: Steps, file: bytes, parameters: DecomposeParameters) -> Answer:
        """Take the image apart; each layer a PNG file in display values, in one archive."""
        names = layer_names(parameters.layers)
        with steps("read"):
            still = self._read(file)
        with steps("analyse"):
            analysis = _shim.Analysis(self.remover, still.pixels)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
            for name in names:
                with steps("layers"):
                    pixels = _eight_bits(name, analysis.layer(name))
                with steps("encode"):
                    files.writestr(f"{name}.png", self._png(pixels, still.icc_profile))
        return Answer(archive.getvalue(), "application/zip")

    def mask(self, steps: Steps, file: bytes, parameters: MaskParameters) -> Answer:
        """Say where the highlights are, as a greyscale PNG."""
        with steps("read"):
            still = self._read(file)
        with steps("analyse"):
            analysis = _shim.Analysis(self.remover, still.pixels)
        with steps("clean"):
            highlight = _shim.highlight_map(analysis.logits, parameters.sensitivity)
            if parameters.style == "exclude":
                highlight = highlight < 0.5
        with steps("encode"):
            body = self._png(_eight_bits("highlight", highlight), None)
        return Answer(body, "image/png")

    def preview(self, steps: Steps, file: bytes, parameters: PreviewParameters) -> Answer:
        """Give all that is needed to blend the result elsewhere, for any strength and mask.

        The answer is a multipart form: `info` (JSON), `before`, `ungated` and the wanted layers
        (JPEG), `logits` (greyscale PNG, at working resolution), `table` (`TABLE`, raw bytes) and,
        for transparent images, `alpha` (greyscale PNG).
        """
        names = layer_names(parameters.layers) if parameters.layers else ()
        with steps("read"):
            still = self._read(file)
            height, width = still.pixels.shape[:2]
            still = _reduced(still, parameters.pixels)
        with steps("analyse"):
            analysis = _shim.Analysis(self.remover, still.pixels)
        parts: dict[str, tuple[str, bytes]] = {}
        with steps("encode"):
            if not names:
                pixels = still.pixels
                if pixels.dtype != np.uint8:
                    pixels = _eight_bits("clean", optics_display(pixels))
                parts["before"] = _jpeg(pixels, still.icc_profile)
                ungated = _eight_bits("clean", analysis.ungated)
                parts["ungated"] = _jpeg(ungated, still.icc_profile)
                logits = (analysis.logits / LOGIT).clip(-1, 1) / 2 + 0.5
                parts["logits"] = ("image/png", self._png(_eight_bits("logits", logits), None))
                parts["table"] = ("application/octet-stream", _table())
                if still.alpha is not None:
                    parts["alpha"] = ("image/png", self._png(still.alpha, None))
            for name in names:
                pixels = _eight_bits(name, analysis.layer(name))
                parts[name] = _jpeg(pixels, None if name == "highlight" else still.icc_profile)
        info = {
            "width": width,
            "height": height,
            "format": still.format.lower(),
            "bits": 8 * still.pixels.dtype.itemsize,
            "preview": [still.pixels.shape[1], still.pixels.shape[0]],
            "table": TABLE,
        }
        parts["info"] = ("application/json", json.dumps(info).encode())
        return _multipart(parts)

    def _read(self, file: bytes) -> Any:
        try:
            return _shim.read(file)
        except UnshineError as error:
            raise Problem("broken-image", str(error)) from None

    def _mask(self, file: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Read a mask and bring it to the image's size."""
        try:
            pixels = _shim.read(file).pixels
        except UnshineError as error:
            raise Problem("broken-image", f"The mask: {error}") from None
        if pixels.dtype == np.uint16:
            pixels = np.rint(pixels / 257).astype(np.uint8)
        grey = pixels if pixels.ndim == 2 else np.rint(pixels.mean(-1)).astype(np.uint8)
        if grey.shape == size:
            return grey
        (height, width), (rows, columns) = size, grey.shape
        # The same proportions, but for the rounding of the smaller one's sides.
        if abs(rows * width - columns * height) > max(width, height):
            raise Problem(
                "mask-mismatch",
                f"The mask has {columns}×{rows} pixels, the image {width}×{height}; their"
                " proportions must be the same.",
            )
        return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))

    @staticmethod
    def _png(pixels: NDArray[np.uint8], profile: bytes | None) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1, icc_profile=profile)
        return out.getvalue()


def layer_names(text: str) -> tuple[str, ...]:
    """Read a list of layers.

    Raises
    ------
    Problem
        ``invalid-parameter``, if one of them is unknown.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in LAYERS]
    if unknown or not names:
        wrong = f"there is no layer {unknown[0]!r}" if unknown else "no layer is named"
        raise Problem("invalid-parameter", f"layers: {wrong}; choose from {', '.join(LAYERS)}.")
    return names


def optics_display(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Display values in [0, 1] of deeper pixels."""
    if pixels.dtype == np.uint16:
        return pixels.astype(np.float32) / np.float32(65535)
    return pixels.astype(np.float32)


def _eight_bits(name: str, layer: NDArray[Any]) -> NDArray[np.uint8]:
    if name in ("shading", "specular"):
        layer = optics.encode(layer)
    return np.rint(layer.clip(0, 1) * np.float32(255)).astype(np.uint8)


def _jpeg(pixels: NDArray[np.uint8], profile: bytes | None) -> tuple[str, bytes]:
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": 95, "subsampling": 0, "icc_profile": profile}
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return "image/jpeg", out.getvalue()


def _reduced(still: Any, pixels: int) -> Any:
    height, width = still.pixels.shape[:2]
    scale = (pixels / (height * width)) ** 0.5
    if scale >= 1:
        return still
    size = (max(1, int(width * scale)), max(1, int(height * scale)))

    def resize(values: NDArray[Any]) -> NDArray[Any]:
        image = Image.fromarray(values)
        return np.asarray(image.resize(size, Image.Resampling.BOX))

    alpha = None if still.alpha is None else resize(still.alpha)
    return replace(still, pixels=resize(still.pixels), alpha=alpha)


def _table() -> bytes:
    """Tabulate the highlight map, for those who cannot call it: logits change fastest."""
    columns, rows, slices = TABLE
    logits = np.linspace(-LOGIT, LOGIT, columns, dtype=np.float32)
    planes = [
        _shim.highlight_map(logits, sensitivity, np.full(columns, mask, np.float32))
        for mask in np.linspace(0, 1, slices)
        for sensitivity in np.linspace(0, 1, rows)
    ]
    return _eight_bits("highlight", np.stack(planes)).tobytes()


def _multipart(parts: dict[str, tuple[str, bytes]]) -> Answer:
    boundary = "unshine-7MA4YWxkTrZu0gW"
    chunks = []
    for name, (media_type, body) in parts.items():
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        chunks += [head.encode(), body, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return Answer(b"".join(chunks), f"multipart/form-data; boundary={boundary}")
