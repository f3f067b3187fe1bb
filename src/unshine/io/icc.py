"""Colour profiles: what they say about light, and making one for what other tags say.

References
----------
ICC.1:2022 (profile format); ITU-T H.273 (the numbers of primaries and transfer functions);
Lindbloom, "Chromatic Adaptation" (the Bradford matrix).
"""

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["display", "linear", "pq", "hlg"]
Primaries = tuple[tuple[float, float], ...]
"""Chromaticities x, y of red, green, blue and white."""

WHITE = (0.3127, 0.3290)  # D65
SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), WHITE)
PRIMARIES: dict[int, Primaries] = {
    1: SRGB,
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), WHITE),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), WHITE),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), WHITE),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), WHITE),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), WHITE),
}
"""H.273's numbers of primaries, as far as still images use them."""

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


def space(profile: bytes) -> bytes:
    """Return the colour space that a profile is for: ``b"RGB "``, ``b"GRAY"``, ``b"CMYK"``."""
    return bytes(profile[16:20])


def transfer(profile: bytes) -> Transfer:
    """Return how a profile's values relate to light."""
    tags = _tags(profile)
    if len(code := tags.get(b"cicp", b"")) >= 12:
        return transfer_of_cicp(code[9])
    curve = tags.get(b"rTRC") or tags.get(b"kTRC") or b""
    if curve[:4] == b"curv" and len(curve) >= 12:
        (count,) = struct.unpack_from(">I", curve, 8)
        if count == 0 or (count == 1 and curve[12:14] == b"\1\0"):
            return "linear"
        if count > 1 and len(curve) >= 12 + 2 * count:
            values = np.frombuffer(curve, ">u2", count, 12) / 65535
            return "linear" if np.abs(values - np.linspace(0, 1, count)).max() < 1e-3 else "display"
    if curve[:4] == b"para" and len(curve) >= 16:
        kind, _, gamma = struct.unpack_from(">HHi", curve, 8)
        if kind == 0 and gamma == 65536:
            return "linear"
    return "display"


def transfer_of_cicp(code: int) -> Transfer:
    """Return what H.273's number of a transfer function stands for."""
    names: dict[int, Transfer] = {8: "linear", 16: "pq", 18: "hlg"}
    return names.get(code, "display")


def primaries(profile: bytes) -> Primaries | None:
    """Return the primaries and the white of a profile that is made of a matrix and curves."""
    tags = _tags(profile)
    values = [tags.get(name, b"") for name in (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt")]
    if any(value[:4] != b"XYZ " or len(value) < 20 for value in values):
        return None
    points = [np.frombuffer(value, ">i4", 3, 8) / 65536 for value in values]
    white = points.pop()
    chad = tags.get(b"chad", b"")
    try:
        if chad[:4] == b"sf32" and len(chad) >= 44:
            adaptation = np.frombuffer(chad, ">i4", 9, 8).reshape(3, 3) / 65536
        else:
            adaptation = _adaptation(white)
        native = np.linalg.solve(adaptation, np.stack([*points, _D50], 1)).T
    except np.linalg.LinAlgError:
        return None
    sums = native.sum(1)
    if not np.isfinite(native).all() or (sums <= 0).any() or (native[:, 1] <= 0).any():
        return None
    return tuple(
        (float(x / total), float(y / total)) for (x, y, _), total in zip(native, sums, strict=True)
    )


def of_primaries(primaries: Primaries, gamma: float | None = None) -> bytes:
    """Make a profile of an RGB space: its primaries, and a power law or sRGB's curve.

    Parameters
    ----------
    primaries : tuple
        Chromaticities of red, green, blue and white.
    gamma : float, optional
        The exponent from values to light; sRGB's curve where none is given.
    """
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    colours, white = columns[:, :3], columns[:, 3]
    adaptation = _adaptation(white)
    matrix = adaptation @ (colours * np.linalg.solve(colours, white))
    if gamma is None:
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(map(_fixed, numbers))
    else:
        curve = b"para" + bytes(4) + struct.pack(">HH", 0, 0) + _fixed(gamma)
    text = "Made by Unshine from the image's own colour tags"
    tags = [
        (b"desc", _text(text)),
        (b"cprt", _text("No copyright")),
        (b"wtpt", _xyz(_D50)),
        (b"chad", b"sf32" + bytes(4) + b"".join(map(_fixed, adaptation.ravel()))),
        *((name, _xyz(matrix[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    offset, table, data = 132 + 12 * len(tags), b"", b""
    places: dict[bytes, int] = {}
    for name, value in tags:
        value += bytes(-len(value) % 4)
        if value not in places:
            places[value] = offset + len(data)
            data += value
        table += name + struct.pack(">II", places[value], len(value))
    date = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    head = struct.pack(
        ">I4sI4s4s4s12s", offset + len(data), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", date
    )
    head += b"acsp" + bytes(28) + b"".join(map(_fixed, _D50)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + data


def _tags(profile: bytes) -> dict[bytes, bytes]:
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        tags = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    except struct.error:
        return {}
    return {name: bytes(profile[start : start + length]) for name, start, length in tags}


def _adaptation(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix that takes XYZ under a white to XYZ under D50."""
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.asarray(np.linalg.solve(_BRADFORD, scale[:, None] * _BRADFORD), np.float64)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(float(value) * 65536))


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return (
        b"mluc"
        + bytes(4)
        + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28)
        + encoded
    )
