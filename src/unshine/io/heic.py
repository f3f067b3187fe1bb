"""HEIC files, through pillow-heif, an extra."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.extras import load
from unshine.io import boxes, icc
from unshine.io.model import WORDS, Metadata, Source, Still
from unshine.io.plain import check_size, scaled, widened

QUALITY = 92
_NCLX = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
_WORDS = {"hdrgainmap": "gain map", "depth": "depth map", "disparity": "depth map"}


def read(data: bytes, max_pixels: int) -> Still:
    """Read a HEIC file: its first image, upright."""
    library = load("pillow_heif", "formats")
    file = library.open_heif(BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    check_size(image.size[0], image.size[1], max_pixels)
    info = image.info
    gone = ["further image"] if len(file) > 1 else []
    if info["depth_images"]:
        gone.append("depth map")
    for name in info.get("aux", {}):
        word = next((word for key, word in _WORDS.items() if key in name), None)
        if word is None and "alpha" not in name:
            word = "auxiliary image"
        gone += [word] if word else []
    if _has_video(data):
        gone.append(WORDS["video"])
    profile, nclx = info.get("icc_profile"), info.get("nclx_profile")
    metadata = Metadata(
        profile or None,
        (info.get("exif") or b"").removeprefix(b"Exif\0\0") or None,
        info.get("xmp") or None,
        cicp=_cicp(nclx),
        gone=tuple(dict.fromkeys(gone)),
    )
    depth = int(info["bit_depth"])
    pixels, alpha = _unpacked(np.asarray(image), image.mode, depth)
    curve = metadata.cicp[1] if metadata.cicp else 2
    transfer = icc.transfer(profile) if profile else icc.transfer_of_cicp(curve)
    source = Source("heic", pixels, alpha, depth, {"chroma": info.get("chroma")})
    return Still(pixels, alpha, transfer, metadata, source)


def encode(still: Still, quality: int | None, bit_depth: int) -> bytes:
    """Write an image as HEIC, with 8, 10 or 12 bits."""
    library = load("pillow_heif", "formats")
    dtype = np.dtype(np.uint8 if bit_depth == 8 else np.uint16)
    pixels = scaled(still.pixels, dtype)
    mode = "L" if pixels.ndim == 2 else "RGB"
    if still.alpha is not None:
        # There is no grey with opacity.
        planes = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
        pixels, mode = np.dstack([planes, scaled(still.alpha, dtype)]), "RGBA"
    if bit_depth > 8:
        mode += ";16"
    height, width = pixels.shape[:2]
    file = library.from_bytes(mode, (width, height), np.ascontiguousarray(pixels).tobytes())
    metadata = still.metadata
    options: dict[str, Any] = {"quality": QUALITY if quality is None else quality}
    if bit_depth > 8:
        options["bit_depth"] = bit_depth
    own = still.source.coding.get("chroma") if still.kind == "heic" and still.source else None
    if mode[0] == "R":
        options["chroma"] = own if own in (420, 422, 444) else 444
    if (profile := still.profile()) is not None:
        file[0].info |= {"icc_profile": profile, "icc_profile_type": "prof"}
    if metadata.cicp is not None:
        options |= dict(zip(_NCLX, metadata.cicp, strict=True))
        # Without a matrix, colours would be stored as they are; libheif wants BT.601's number.
        options["matrix_coefficients"] = metadata.cicp[2] or 6
        options["full_range_flag"] = 1
    buffer = BytesIO()
    block = None if metadata.exif is None else b"Exif\0\0" + metadata.exif
    file.save(buffer, exif=block, xmp=metadata.xmp, **options)
    return buffer.getvalue()


def _has_video(data: bytes) -> bool:
    """Tell if a motion photo's video follows the image, in a box or as a second file."""
    kinds = [box.kind for box in boxes.level(data, 0, len(data))]
    return b"mpvd" in kinds or kinds.count(b"ftyp") > 1


def _cicp(nclx: dict[str, int] | None) -> tuple[int, int, int, int] | None:
    if not nclx:
        return None
    primaries, curve, matrix, full = (int(nclx[name]) for name in _NCLX)
    return primaries, curve, matrix, full


def _unpacked(
    array: NDArray[Any], mode: str, depth: int
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    values = np.atleast_3d(array if depth == 8 else widened(array, depth))
    alpha = np.ascontiguousarray(values[..., -1]) if "A" in mode.split(";")[0].upper() else None
    colours = values[..., :-1] if alpha is not None else values
    pixels = colours[..., 0] if colours.shape[2] == 1 else colours
    return np.ascontiguousarray(pixels), alpha
