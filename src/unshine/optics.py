"""Image formation: transfer functions, I = A·S + R.

The one place where light is added, subtracted, encoded or decoded. Every function works with the
array library of its arguments (NumPy, PyTorch, MindSpore) and imports none of them, so that
training, inference and evaluation cannot disagree about the physics.

Light is either *linear* (proportional to radiance, where sums are meaningful) or *display*
(gamma-encoded, what an 8-bit file stores divided by 255).
"""

from typing import Any, Literal

from unshine.layers import HIGHLIGHT_THRESHOLD, SPACE

Array = Any
"""A NumPy array, PyTorch tensor or MindSpore tensor of floating-point values."""

Transfer = Literal["power", "srgb"]

GAMMA = 2.2
VISIBLE = 2 / 255
"""A difference in display values that nobody sees."""
SURE = 0.1
"""A difference that is certainly a highlight, in the truth that networks are trained with."""


def decode(display: Array, transfer: Transfer = "power") -> Array:
    """Turn display values into linear light.

    Parameters
    ----------
    display : array of any shape
        Display values; those below 0 count as 0.
    transfer : {"power", "srgb"}
        A pure power law with exponent 2.2 (as SSHR and TSHRNet use), or the sRGB curve
        (IEC 61966-2-1).

    Returns
    -------
    array of the same shape
        Linear light, 0 where the display value is 0 and 1 where it is 1.

    Examples
    --------
    >>> import numpy as np
    >>> decode(np.array([0.0, 0.5, 1.0])).round(3)
    array([0.   , 0.218, 1.   ])
    >>> decode(np.array([0.5]), "srgb").round(3)
    array([0.214])
    """
    display = display.clip(0, None)
    if transfer == "power":
        return display**GAMMA
    toe = display <= 0.04045
    return toe * (display / 12.92) + (toe == 0) * ((display + 0.055) / 1.055) ** 2.4


def encode(linear: Array, transfer: Transfer = "power") -> Array:
    """Turn linear light into display values: the inverse of `decode`.

    Values below 0 count as 0; values above 1 stay above 1, since clipping is the camera's step
    (`clip`), not the transfer function's.

    Examples
    --------
    >>> import numpy as np
    >>> encode(decode(np.array([0.25, 0.5]))).round(6)
    array([0.25, 0.5 ])
    """
    linear = linear.clip(0, None)
    if transfer == "power":
        return linear ** (1 / GAMMA)
    toe = linear <= 0.0031308
    return toe * (linear * 12.92) + (toe == 0) * (1.055 * linear ** (1 / 2.4) - 0.055)


def displayed(name: str, layer: Array) -> Array:
    """Turn a layer as it is in memory into display values, as files hold it.

    Parameters
    ----------
    name : str
        One of `unshine.layers.NAMES`.
    layer : array of any shape
        In the layer's own space, `unshine.layers.SPACE`.
    """
    return encode(layer) if SPACE[name] == "linear" else layer


def linearised(name: str, layer: Array) -> Array:
    """Turn a layer as it is in memory into linear light; maps stay as they are."""
    return decode(layer) if SPACE[name] == "display" else layer


def compose(albedo: Array, shading: Array, specular: Array) -> Array:
    """Image formation I = A·S + R, all in linear light, not yet clipped (TSHRNet, equation 1).

    Examples
    --------
    >>> import numpy as np
    >>> red, half, gleam = np.array([0.8, 0.2, 0.2]), 0.5, 0.3
    >>> compose(red, half, gleam).round(3)
    array([0.7, 0.4, 0.4])
    """
    return albedo * shading + specular


def residue(image: Array, diffuse: Array) -> Array:
    """Specular residue R = I − D, all in linear light; negative where D exceeds I."""
    return image - diffuse


def add_light(display: Array, linear: Array) -> Array:
    """Add linear light to display values.

    Parameters
    ----------
    display : array
        Display values in [0, 1].
    linear : array of the same shape
        Linear light to add; negative where light is taken away.

    Returns
    -------
    array of the same shape
        Display values: exactly `display` where nothing is added. The power law is shifted by 1e-5,
        so that its slope, which training needs, is finite at black.
    """
    light = decode(display)
    return display + (encode((light + linear).clip(0, None) + 1e-5) - encode(light + 1e-5))


def clip(linear: Array) -> Array:
    """Clip light as a sensor does: nothing below 0, nothing above 1."""
    return linear.clip(0, 1)


def highlight_map(
    image: Array, clean: Array, channel_axis: int, full: float = HIGHLIGHT_THRESHOLD
) -> Array:
    """Where a highlight is visible, softly: 0 up to `VISIBLE`, 1 from `full` on.

    Parameters
    ----------
    image, clean : array
        Display values of the image and of its highlight-free truth.
    channel_axis : int
        The axis of the three colours; it stays, with length 1.
    full : float
        Difference that counts as a highlight for certain; that of the evaluation unless given.

    Returns
    -------
    array
        Values in [0, 1] from the largest channel of ``image - clean``.

    Examples
    --------
    >>> import numpy as np
    >>> clean = np.full((1, 3, 3), 0.5)
    >>> image = clean + np.array([0.001, 0.02, 0.2])[:, None]
    >>> highlight_map(image, clean, channel_axis=2)[..., 0].round(2)
    array([[0.  , 0.38, 1.  ]])
    """
    largest = largest_channel(image - clean, channel_axis)
    return ((largest - VISIBLE) / (full - VISIBLE)).clip(0, 1)


def largest_channel(image: Array, channel_axis: int) -> Array:
    """Return the largest of an image's three channels; their axis stays, with length 1."""
    red, green, blue = (_take(image, channel, channel_axis) for channel in range(3))
    return _maximum(_maximum(red, green), blue)


def _take(array: Array, index: int, axis: int) -> Array:
    return array[(slice(None),) * (axis % array.ndim) + (slice(index, index + 1),)]


def _maximum(a: Array, b: Array) -> Array:
    return a + (b - a).clip(0, None)
