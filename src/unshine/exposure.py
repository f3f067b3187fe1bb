"""Dark images are brightened before the network sees them, by a power of their display values.

Much of what is measured, raw or underexposed lies in the lowest quarter of the range, where
highlights and paint look alike to a network that knows photographs. What it says of the brighter
image is brought back to the image's own tone.
"""

from collections.abc import Mapping
from typing import Any

from unshine import optics
from unshine.layers import Layers
from unshine.optics import Array

USUAL = 0.5
"""Mean of the lit pixels' largest channel from which an image is left as it is."""
BLACK = 0.02
"""Display value up to which a pixel is background, and does not count as dark."""


def exponent(image: Array) -> Array:
    """Choose the power of the display values that makes dark images usual ones.

    Proportional to the mean of what is lit; 1 for usual images, and at least 1 / 2.2, which reads
    the values of a dark image as linear light.

    Parameters
    ----------
    image : array, (B, 3, H, W)
        Display values in [0, 1].

    Returns
    -------
    array, (B, 1, 1, 1)
        From 1 / 2.2 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([0.9, 0.5, 0.3, 0.1]).reshape(4, 1, 1, 1)
    >>> exponent(np.broadcast_to(values, (4, 3, 8, 8))).ravel().round(3)
    array([1.   , 1.   , 0.6  , 0.455])
    """
    count = image.shape[0]
    largest = optics.largest_channel(image, 1).reshape(count, -1)
    lit = (2 * largest / BLACK - 1).clip(0, 1)
    mean = ((lit * largest).mean(1) + 1e-6) / (lit.mean(1) + 1e-6)
    return (mean / USUAL).clip(1 / optics.GAMMA, 1).reshape(count, 1, 1, 1)


def expose(truth: Layers[Array]) -> Layers[Array]:
    """Bring training tuples to the exposure that the network sees.

    Parameters
    ----------
    truth : Layers
        As `synth.camera.develop` makes them, (B, C, H, W).
    """
    power = exponent(truth.image)
    image, diffuse, clean = (x**power for x in (truth.image, truth.diffuse, truth.clean))
    return truth._replace(
        image=image,
        albedo=truth.albedo**power,
        shading=truth.shading**power,
        specular=optics.residue(optics.decode(image), optics.decode(diffuse)).clip(0, None),
        diffuse=diffuse,
        clean=clean,
        highlight=optics.highlight_map(image, clean, channel_axis=1, full=optics.SURE),
    )


def restore(
    network: Any, image: Array, outputs: Mapping[str, Array], power: Array
) -> dict[str, Array]:
    """Bring what a network says of ``image**power`` back to the image's own tone.

    Parameters
    ----------
    network : unshine.networks.Network
        Whose `blend` it is.
    image : array, (B, 3, H, W)
        As it was, display.
    outputs : mapping of str to array
        All that it gives to users, each in its own space.
    power : array, (B, 1, 1, 1)
        From `exponent`.

    Returns
    -------
    dict of str to array
        The same outputs, of the image as it was.
    """
    found = dict(outputs)
    for name in ("albedo", "shading", "diffuse", "ungated"):
        found[name] = outputs[name].clip(0, None) ** (1 / power)
    coarse = optics.decode(found["albedo"]) * found["shading"]
    found["specular"] = optics.residue(optics.decode(image), coarse).clip(0, None)
    found["clean"] = network.blend(image, found["ungated"], found["highlight"])
    return found
