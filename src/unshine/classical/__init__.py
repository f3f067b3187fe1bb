"""Classical highlight removal, from before networks: one file a paper, one function a file.

Every ``remove(image)`` takes linear RGB, (H, W, 3) floating point in [0, 1] under white light, and
returns the diffuse image of the same type. They all assume I = D + s·(1, 1, 1).

>>> import numpy as np
>>> from unshine.classical import METHODS
>>> METHODS["shen2013"](np.zeros((4, 5, 3))).shape
(4, 5, 3)
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unshine import optics, pixels
from unshine.classical import (
    akashi2016,
    kim2013,
    shen2009,
    shen2013,
    son2020,
    souza2018,
    tan2005,
    yamamoto2019,
    yang2010,
    yoon2006,
)
from unshine.classical._image import Floats
from unshine.errors import UnshineError


class _Method(Protocol):
    """What the file of a method has."""

    __name__: str
    TITLE: str

    def remove(self, image: Floats) -> Floats:
        """Return the diffuse image."""


_FILES: list[_Method] = [
    tan2005,
    yoon2006,
    shen2009,
    yang2010,
    kim2013,
    shen2013,
    akashi2016,
    souza2018,
    yamamoto2019,
    son2020,
]

_BY_NAME = {file.__name__.rpartition(".")[2]: file for file in _FILES}

METHODS = {name: file.remove for name, file in _BY_NAME.items()}
"""Each method by name, oldest first; yamamoto2019 refines the result of shen2013."""

TITLES = {name: file.TITLE for name, file in _BY_NAME.items()}
"""What tables call them; "after" marks descriptions that could not be checked against the paper."""


def apply(name: str, image: NDArray[Any], strength: float = 1.0) -> NDArray[Any]:
    """Remove the highlights of an image by one of these methods.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    image : ndarray, H×W or H×W×C of 1 to 4 channels
        RGB or grey, with or without alpha, display-encoded: uint8, uint16 or float in [0, 1]. The
        whole image is worked on at its own size.
    strength : float
        How much of the correction to apply, from 0 to 1, blended in linear light.

    Returns
    -------
    ndarray
        A new array of the same type and shape.

    Raises
    ------
    UnshineError
        If there is no such method.
    ValueError
        If this is no image, or `strength` no number in [0, 1].
    """
    if name not in METHODS:
        raise UnshineError(f"There is no method {name!r}; choose from {', '.join(METHODS)}.")
    strength = pixels.share("strength", strength)
    before = pixels.to_display(pixels.rgb(image))
    light = optics.decode(before)
    after = optics.encode(light + strength * (METHODS[name](light).clip(0, 1) - light)).clip(0, 1)
    result = np.array(image)
    target = pixels.colours(result)
    changed = (np.abs(after - before) > 1e-6).any(-1)
    values = after[changed].mean(-1) if target.ndim == 2 else after[changed]
    target[changed] = pixels.from_display(values, target.dtype)
    return result
