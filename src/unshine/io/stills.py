"""8-bit JPEG, PNG, WebP, BMP and TIFF files (and 16-bit greyscale PNG), with all they carry.

A picture is read upright. Colour profile, EXIF, XMP (but not in TIFF), resolution and transparency
go through to the written file, where its format has a place for them.
"""

import contextlib
import io
import os
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    Image,
    ImageCms,
    ImageOps,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
)

from unshine.errors import UnshineError

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""The file name endings that are known, and Pillow's names of their formats."""

_READABLE = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # MPO, which phones write, counts as JPEG
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95, "exact": True},
    "PNG": {},
    "BMP": {},
    "TIFF": {},
}

# TIFF tags that describe how the old file stored its pixels; in the new file they would be wrong.
_STORAGE_TAGS = {
    *range(254, 260), 262, 266, 273, *range(277, 280), 284, 317, 320, *range(322, 326), 330,
    338, 339, 347, 513, 514, *range(529, 533), 700, 34675,
}  # fmt: skip


@dataclass(frozen=True)
class Still:
    """A picture and what its file says about it."""

    pixels: NDArray[Any]
    """H×W×3 uint8, or H×W uint8 or uint16 for greyscale; display-encoded."""
    alpha: NDArray[np.uint8] | None = None
    """Transparency, H×W, 255 where opaque."""
    icc_profile: bytes | None = None
    exif: bytes | None = None
    """Without orientation, which has been applied."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


def read(path: Path) -> Still:
    """Read a picture, upright.

    Palettes become RGB, or RGBA where they are transparent, and CMYK becomes sRGB, through its
    colour profile where it has one.

    Parameters
    ----------
    path : Path
        A file in one of the formats of `FORMATS`, whatever its name.

    Raises
    ------
    UnshineError
        If there is no readable picture, or one that could only be read with a loss (16-bit
        colour, animations, several pages).
    """
    try:
        if path.is_dir():
            raise UnshineError(f"{path}: this is a folder, not a picture.")
        if path.stat().st_size == 0:
            raise UnshineError(f"{path}: the file is empty.")
        with warnings.catch_warnings():
            # Pillow warns from half of its limit on; at the limit itself it refuses.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_READABLE) as image:
                _refuse_losses(path, image)
                image.load()
                return _still(image)
    except UnshineError:
        raise
    except FileNotFoundError:
        raise UnshineError(f"{path}: there is no such file.") from None
    except PermissionError:
        raise UnshineError(f"{path}: you have no permission to read this file.") from None
    except UnidentifiedImageError:
        raise UnshineError(f"{path}: this is not a JPEG, PNG, WebP, BMP or TIFF picture.") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise UnshineError(
            f"{path}: the picture has more than {most} megapixels, the most that is read."
        ) from None
    except MemoryError:
        raise UnshineError(f"{path}: there is not enough memory for this picture.") from None
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        if reason := getattr(error, "strerror", None):
            raise UnshineError(f"{path}: the file cannot be read ({reason}).") from error
        raise UnshineError(f"{path}: the picture is damaged or incomplete ({error}).") from error


def write(still: Still, path: Path, overwrite: bool = False) -> None:
    """Write a picture, in the format of its name's ending.

    The file appears under its name only when it is complete. JPEG is written at quality 95 with
    full colour resolution.

    Parameters
    ----------
    still : Still
        The picture. For JPEG, WebP and BMP, 16-bit greyscale becomes 8-bit.
    path : Path
        Where to; its folder must exist.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UnshineError
        If the ending is unknown, the file exists, the format cannot hold the picture's
        transparency, or the file cannot be written.
    """
    kind = format_of(path)
    alpha = still.alpha
    if alpha is not None and kind in ("JPEG", "BMP"):
        if alpha.min() < 255:
            raise UnshineError(
                f"{path}: {kind} files cannot keep this picture's transparency; write .png,"
                " .webp or .tif instead."
            )
        alpha = None
    image = _image(still.pixels, alpha, deep=kind in ("PNG", "TIFF"))
    options = dict(_SAVE_OPTIONS[kind])
    # A profile holds for greyscale or for RGB; with the other the file would be unreadable.
    space = b"GRAY" if image.mode in ("L", "LA", "I;16") else b"RGB "
    if still.icc_profile is not None and still.icc_profile[16:20] == space:
        options["icc_profile"] = still.icc_profile
    for name in ("exif", "xmp"):
        data: bytes | None = getattr(still, name)
        # What does not fit into a JPEG segment stays behind, rather than the picture with it.
        if data is not None and not (kind == "JPEG" and len(data) > 65_000):
            options[name] = data
    if kind == "PNG" and still.xmp is not None:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", still.xmp.decode("utf-8", "replace"))
    if still.dpi is not None:
        options["dpi"] = still.dpi

    part = path.with_name(f".unshine-{secrets.token_hex(6)}.part")
    try:
        if path.is_dir():
            raise UnshineError(f"{path}: a folder has this name; choose another output.")
        with part.open("xb") as file:
            image.save(file, kind, **options)
        if path.exists() and not overwrite:
            raise UnshineError(f"{path}: the file exists already; add --overwrite to replace it.")
        os.replace(part, path)
    except FileNotFoundError:
        raise UnshineError(f"{path}: the folder {path.parent} does not exist.") from None
    except PermissionError:
        raise UnshineError(f"{path}: you have no permission to write here.") from None
    except UnshineError:
        raise
    except Exception as error:  # a full disk, but also what Pillow's encoders raise
        reason = getattr(error, "strerror", None) or error
        raise UnshineError(f"{path}: the file cannot be written ({reason}).") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def format_of(path: Path) -> str:
    """Return Pillow's name of the format that a file's ending stands for.

    Raises
    ------
    UnshineError
        If the ending is unknown.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UnshineError(f"{path}: the name must end in one of {known}.") from None


def _refuse_losses(path: Path, image: Image.Image) -> None:
    """Refuse what could only be read with a silent loss."""
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise UnshineError(f"{path}: only single pictures are read, not animations or pages.")
    # Pillow would cut deeper colours to 8 bits.
    deep = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        deep = max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8
    elif isinstance(image, PngImagePlugin.PngImageFile) and image.mode != "I;16":
        deep = any(";16" in str(tile.args) for tile in image.tile)
    if deep:
        raise UnshineError(f"{path}: pictures of more than 8 bits are not read yet; convert it.")
    if image.mode == "LAB":
        raise UnshineError(f"{path}: Lab colours are not read; convert the picture to RGB first.")


def _still(image: Image.Image) -> Still:
    """Take a loaded picture apart into upright pixels and metadata."""
    ImageOps.exif_transpose(image, in_place=True)
    profile, xmp = image.info.get("icc_profile"), image.info.get("xmp")
    exif, dpi = _exif(image), _dpi(image)

    if image.mode == "CMYK":
        image, profile = _cmyk_to_srgb(image, profile)
    elif "transparency" in image.info and image.mode in ("1", "L", "RGB", "P"):
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("PA", "La", "RGBa"):
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")

    pixels, alpha = np.asarray(image), None
    if image.mode in ("LA", "RGBA"):
        alpha = np.ascontiguousarray(pixels[..., -1])
        pixels = pixels[..., 0] if image.mode == "LA" else pixels[..., :3]
    return Still(np.ascontiguousarray(pixels), alpha, profile, exif, xmp, dpi)


def _exif(image: Image.Image) -> bytes | None:
    """Return the picture's EXIF without what describes the old file; None if it has none."""
    try:
        exif = image.getexif()
        for tag in _STORAGE_TAGS:
            exif.pop(tag, None)
        return exif.tobytes() if len(exif) else None
    except Exception:  # damaged metadata is no reason to refuse the picture
        return None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the resolution, where the file has a sensible one."""
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 2**16 and 0 < y < 2**16 else None


def _cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Convert to sRGB, through the picture's own profile if it has a usable one."""
    if profile is not None:
        try:
            srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), srgb, outputMode="RGB"
            )
            if converted is not None:
                return converted, srgb.tobytes()
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB"), None


def _image(
    pixels: NDArray[Any], alpha: NDArray[np.uint8] | None, deep: bool = False
) -> Image.Image:
    """Put pixels and transparency together; `deep` keeps 16 bits."""
    if pixels.dtype == np.uint16 and not (deep and alpha is None):
        pixels = np.rint(pixels / 257).astype(np.uint8)
    image = Image.fromarray(pixels)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return image
