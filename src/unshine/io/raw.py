"""Camera RAW files, through rawpy, an extra; read only.

The sensor's own light is developed by nothing but white balance and the camera's colour matrix,
then stored by sRGB's curve, which can be undone: highlights are taken before any tone curve.
"""

from io import BytesIO

import numpy as np

from unshine import optics
from unshine.errors import UnshineError
from unshine.extras import load
from unshine.io import exif, jpeg
from unshine.io.model import Metadata, Source, Still
from unshine.io.plain import check_size

_KEPT = frozenset({270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, exif.XMP})
"""Tags of the first directory that are about the photograph rather than the sensor's data."""


def read(data: bytes, max_pixels: int) -> Still:
    """Develop a RAW file to 16 bits."""
    library = load("rawpy", "formats")
    try:
        with library.imread(BytesIO(data)) as file:
            sizes = file.sizes
            check_size(int(sizes.width), int(sizes.height), max_pixels)
            light = file.postprocess(
                use_camera_wb=True,
                output_bps=16,
                gamma=(1, 1),
                no_auto_bright=True,
                output_color=library.ColorSpace.sRGB,
            )
            metadata = _metadata(data) or _metadata_of_preview(file)
    except library.LibRawError as error:
        reason = error.args[0] if error.args else error
        text = reason.decode("ascii", "replace") if isinstance(reason, bytes) else str(reason)
        raise UnshineError(f"the RAW file cannot be read ({text}).") from None
    codes = np.arange(65536, dtype=np.float64) / 65535
    curve = np.rint(optics.encode(codes, "srgb") * 65535).astype(np.uint16)
    pixels = curve[light]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    source = Source("raw", pixels, None, 16)
    return Still(pixels, metadata=metadata or Metadata(gone=("EXIF",)), source=source)


def _metadata(data: bytes) -> Metadata | None:
    """Take EXIF and XMP out of RAW files that are built like TIFF."""
    try:
        order, tags = exif.tree(data)
    except ValueError:
        return None
    kept = {
        tag: entry
        for tag, entry in tags.items()
        if tag in _KEPT or tag in (exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY)
    }
    packet = kept.pop(exif.XMP, None)
    block = exif.block(kept, order)
    xmp = packet.value if isinstance(packet, exif.Entry) else None
    return Metadata(exif=block, xmp=xmp) if block or xmp else None


def _metadata_of_preview(file: object) -> Metadata | None:
    """Take EXIF and XMP out of the JPEG that other RAW files hold."""
    try:
        thumbnail = file.extract_thumb()  # type: ignore[attr-defined]
        found = jpeg.metadata_of(bytes(thumbnail.data))
    except Exception:  # no preview, or one that is no JPEG: the photograph is still there
        return None
    return Metadata(exif=found.exif, xmp=found.xmp) if found.exif or found.xmp else None
