"""What the server does to an image, from the bytes of a file to the bytes of an answer.

Nothing in here knows of HTTP or of queues: the same functions run in a thread of the server and in
a process of a cluster.
"""

import io
import json
import secrets
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from unshine import optics, pixels
from unshine.errors import TooManyPixels, UnshineError
from unshine.io import layered, light, stills
from unshine.io.kinds import KINDS, Kind, Written
from unshine.io.stills import Still
from unshine.remover import LAYERS, Analysis, Remover
from unshine.web.jobs import Steps
from unshine.web.problems import Problem

MEDIA_TYPES: dict[Kind, str] = {
    kind: format.media_type for kind, format in KINDS.items() if format.media_type
}
"""Of the kinds of files that are written."""

LOGIT = 12.0
"""The preview's logits are stored in 8 bits, from minus to plus this."""
TABLE = (256, 101)
"""Entries of the preview's table of the highlight map: logits, and sensitivities in hundredths."""


_SENSITIVITY: float = Field(
    0.5, ge=0, le=1, description="How readily something counts as a highlight."
)


class Parameters(BaseModel):
    """Settings of a request; a name that is not known is an error, since it may be a typing one."""

    model_config = ConfigDict(extra="forbid")


class RemoveParameters(Parameters):
    """Settings of ``/v1/remove``."""

    strength: float = Field(
        1.0, ge=0, le=1, description="How much of the correction to apply, blended in linear light."
    )
    sensitivity: float = _SENSITIVITY
    format: Written | None = Field(None, description="The answer's format; the image's own if not.")
    quality: int | None = Field(None, ge=1, le=100, description="For JPEG and WebP.")


class DecomposeParameters(Parameters):
    """Settings of ``/v1/decompose``."""

    layers: str = Field(
        "albedo,shading,diffuse,specular,highlight",
        description=f"Which, with commas between: any of {', '.join(LAYERS)}.",
    )
    format: Literal["zip", "exr"] = Field(
        "zip", description="A zip archive of PNG files, or one OpenEXR file in linear light."
    )


class MaskParameters(Parameters):
    """Settings of ``/v1/mask``."""

    style: Literal["highlight", "exclude"] = Field(
        "highlight",
        description="`highlight`: white where a highlight is; `exclude`: black there, white"
        " elsewhere, as photogrammetry programs want it.",
    )
    sensitivity: float = _SENSITIVITY


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
        works: dict[str, Callable[..., Answer]] = {
            "remove": self.remove,
            "decompose": self.decompose,
            "mask": self.mask,
            "preview": self.preview,
        }
        try:
            answer = works[name](steps, **arguments)
        except MemoryError:
            raise Problem("too-large", "There is not enough memory for this image.") from None
        except UnshineError as error:
            raise Problem("unsupported", str(error)) from None
        except ValueError as error:  # values that are no image's, such as NaN in a float file
            raise Problem("broken-image", str(error)) from None
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
            before = light.for_display(still)
            where = None if mask is None else self._mask(mask, still.size)
        with steps("analyse"):
            analysis = self.remover.analyse(before)
        with steps("clean"):
            after = analysis.clean(parameters.strength, parameters.sensitivity, where)
            changed = after != before
            share = float((changed.any(-1) if changed.ndim == 3 else changed).mean())
            still = light.with_display(still, after)
        format = parameters.format or ("tiff" if still.kind == "raw" else still.kind)
        with steps("encode"):
            body = stills.encode(still, format, quality=parameters.quality)
        headers = {"X-Unshine-Changed": f"{share:.6f}"}
        if body != file and (lost := stills.lost(still, format)):
            headers["X-Unshine-Lost"] = ", ".join(lost)
        return Answer(body, MEDIA_TYPES[format], headers)

    def decompose(self, steps: Steps, file: bytes, parameters: DecomposeParameters) -> Answer:
        """Take the image apart: PNG files in display values, or one EXR file in linear light."""
        names = layer_names(parameters.layers)
        still, analysis = self._analysed(steps, file)
        if parameters.format == "exr":
            with steps("layers"):
                linear = {name: optics.linearised(name, analysis.layer(name)) for name in names}
            with steps("encode"), tempfile.TemporaryDirectory(prefix="unshine-") as folder:
                path = Path(folder) / "layers.exr"
                layered.write(linear, path, profile=still.profile())
                return Answer(path.read_bytes(), MEDIA_TYPES["exr"])
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
            for name in names:
                with steps("layers"):
                    values = _eight_bits(name, analysis.layer(name))
                with steps("encode"):
                    profile = None if name == "highlight" else still.profile()
                    files.writestr(f"{name}.png", _png(values, profile)[1])
        return Answer(archive.getvalue(), "application/zip")

    def mask(self, steps: Steps, file: bytes, parameters: MaskParameters) -> Answer:
        """Say where the highlights are, as a greyscale PNG."""
        _, analysis = self._analysed(steps, file)
        with steps("layers"):
            highlight = analysis.highlight(parameters.sensitivity)
            if parameters.style == "exclude":
                highlight = (highlight < 0.5).astype(np.float32)
        with steps("encode"):
            media_type, body = _png(_eight_bits("highlight", highlight), None)
        return Answer(body, media_type)

    def preview(self, steps: Steps, file: bytes, parameters: PreviewParameters) -> Answer:
        """Give all that is needed to blend the result elsewhere, for any setting and mask.

        The answer is a multipart form: `info` (JSON), `before`, `ungated` (JPEG), `logits`
        (greyscale PNG, at the network's resolution), `table` (raw bytes, see `TABLE`) and, for
        transparent images, `alpha` (greyscale PNG); or `info` and the wanted layers (JPEG).
        """
        with steps("read"):
            still = self._read(file)
            display = light.for_display(still)
            height, width = display.shape[:2]
            display = _reduced(display, parameters.pixels)
        with steps("analyse"):
            analysis = self.remover.analyse(display)
        profile = still.profile()
        logits = analysis.outputs.get("logits")
        info = {
            "width": width,
            "height": height,
            "format": still.kind,
            "bits": still.bit_depth,
            "preview": [display.shape[1], display.shape[0]],
            "table": TABLE,
            "sensitivity": logits is not None,
        }
        parts = {"info": ("application/json", json.dumps(info).encode())}
        if parameters.layers:
            for name in layer_names(parameters.layers):
                with steps("layers"):
                    values = _eight_bits(name, analysis.layer(name))
                with steps("encode"):
                    parts[name] = _jpeg(values, None if name == "highlight" else profile)
            return _multipart(parts)
        with steps("clean"):
            # A white mask: as if everywhere were a highlight.
            ungated = analysis.clean(mask=np.full(display.shape[:2], 255, np.uint8))
            if logits is None:
                logits, table = np.full((1, 1, 1), LOGIT), b"\xff" * (TABLE[0] * TABLE[1])
            else:
                table = _table(analysis.network.highlight_map)
        with steps("encode"):
            parts["before"] = _jpeg(_to_uint8(display), profile)
            parts["ungated"] = _jpeg(_to_uint8(ungated), profile)
            parts["logits"] = _png(_to_uint8(logits[..., 0] / (2 * LOGIT) + 0.5), None)
            parts["table"] = ("application/octet-stream", table)
            if still.alpha is not None:
                parts["alpha"] = _png(_to_uint8(_reduced(still.alpha, parameters.pixels)), None)
        return _multipart(parts)

    def _analysed(self, steps: Steps, file: bytes) -> tuple[Still, Analysis]:
        with steps("read"):
            still = self._read(file)
        with steps("analyse"):
            return still, self.remover.analyse(light.for_display(still))

    def _read(self, file: bytes, name: str = "The file") -> Still:
        if stills.detect(file) is None:
            titles = ", ".join(kind.title for kind in KINDS.values())
            raise Problem("unsupported", f"{name} is in none of the formats {titles}.")
        try:
            return stills.read(file, max_pixels=self.max_pixels, name=name)
        except TooManyPixels as error:
            raise Problem("too-large", str(error)) from None
        except UnshineError as error:
            raise Problem("broken-image", str(error)) from None

    def _mask(self, file: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Read a mask and bring it to the image's size."""
        values = self._read(file, "The mask").pixels
        grey = _to_uint8(values if values.ndim == 2 else values.mean(-1).astype(values.dtype))
        (width, height), (rows, columns) = size, grey.shape
        if (columns, rows) == size:
            return grey
        # The same proportions, but for the rounding of the smaller one's sides.
        if abs(rows * width - columns * height) > max(width, height):
            raise Problem(
                "mask-mismatch",
                f"The mask has {columns}×{rows} pixels, the image {width}×{height}; their"
                " proportions must be the same.",
            )
        return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))


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


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn display values of any type into 8 bits."""
    if values.dtype == np.uint8:
        return values
    return pixels.to_uint8(pixels.to_display(values))


def _eight_bits(name: str, layer: NDArray[np.float32]) -> NDArray[np.uint8]:
    return _to_uint8(optics.displayed(name, layer))


def _png(values: NDArray[np.uint8], profile: bytes | None) -> tuple[str, bytes]:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG", compress_level=1, icc_profile=profile)
    return "image/png", out.getvalue()


def _jpeg(values: NDArray[np.uint8], profile: bytes | None) -> tuple[str, bytes]:
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": 95, "subsampling": 0, "icc_profile": profile}
    Image.fromarray(values).save(out, "JPEG", **options)
    return "image/jpeg", out.getvalue()


def _reduced(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Reduce display values, H×W or H×W×C, to a number of pixels, if they have more."""
    height, width = values.shape[:2]
    step = (height * width / most) ** 0.5
    if step <= 1:
        return values
    size = (max(1, int(height / step)), max(1, int(width / step)))
    return pixels.resize(np.atleast_3d(values), size).reshape(*size, *values.shape[2:])


def _table(highlight_map: Any) -> bytes:
    """Tabulate the highlight map, for those who cannot call it: logits change fastest."""
    logits = np.linspace(-LOGIT, LOGIT, TABLE[0], dtype=np.float32)
    rows = [highlight_map(logits, percent / 100) for percent in range(TABLE[1])]
    return _to_uint8(np.stack(rows)).tobytes()


def _multipart(parts: dict[str, tuple[str, bytes]]) -> Answer:
    boundary = f"unshine-{secrets.token_hex(16)}"
    chunks = []
    for name, (media_type, body) in parts.items():
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        chunks += [head.encode(), body, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return Answer(b"".join(chunks), f"multipart/form-data; boundary={boundary}")
