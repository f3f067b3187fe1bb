"""Remove specular highlights from photographs.

>>> import numpy as np
>>> import unshine
>>> image = np.full((40, 60, 3), 90, np.uint8)
>>> clean = unshine.remove(image)
>>> clean.shape, clean.dtype
((40, 60, 3), dtype('uint8'))
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from unshine.errors import UnshineError

if TYPE_CHECKING:
    from unshine.layers import Layers
    from unshine.remover import Analysis, Remover

__version__ = "0.1.0"

__all__ = ["Analysis", "Layers", "Remover", "UnshineError", "__version__", "decompose", "remove"]


def remove(image: Any, strength: float = 1.0, *, sensitivity: float = 0.5, mask: Any = None) -> Any:
    """Remove the highlights of an image with the shipped weights.

    The first call loads the network; `Remover` offers the choice of device and weights, and
    `Remover.analyse` several answers for one run of the network.

    Parameters
    ----------
    image : ndarray or Pillow image
        H×W, or H×W×C of 1 to 4 channels: RGB or grey, each with or without alpha, display-encoded:
        uint8, uint16 or float in [0, 1]. Or a batch of them, N×H×W×C. Alpha is left alone.
    strength : float
        From 0 (nothing happens) to 1 (the highlights are removed as far as possible).
    sensitivity : float
        How readily something counts as a highlight, from 0 (nothing does) to 1 (everything does).
    mask : ndarray, H×W, or Pillow image, optional
        White takes highlights even where the network is not sure, black leaves the image alone,
        grey lets the network decide; see `Analysis.clean`.

    Returns
    -------
    ndarray or Pillow image
        The same kind, type and shape; pixels without a highlight are identical.

    Raises
    ------
    ValueError, UnshineError
        If one of them is not what it should be; the sentence says what and why.

    Examples
    --------
    >>> from PIL import Image
    >>> remove(Image.new("RGB", (60, 40), "grey"), strength=0.8).mode
    'RGB'
    """
    return _default_remover().remove(image, strength, sensitivity=sensitivity, mask=mask)


def decompose(image: Any) -> "Layers[Any]":
    """Take an image apart into albedo, shading, diffuse and specular light.

    Parameters
    ----------
    image : ndarray or Pillow image
        As for `remove`, but no batch.

    Returns
    -------
    Layers
        `albedo`, `shading`, `specular`, `diffuse`, `clean` and `highlight`: float32, of the image's
        height and width.

    Examples
    --------
    >>> import numpy as np
    >>> layers = decompose(np.full((40, 60, 3), 90, np.uint8))
    >>> layers.albedo.shape, layers.highlight.shape
    ((40, 60, 3), (40, 60))
    """
    return _default_remover().decompose(image)


@cache
def _default_remover() -> "Remover":
    from unshine.remover import Remover

    return Remover()


def __getattr__(name: str) -> Any:
    # Importing the package stays quick: NumPy, Pillow and ONNX Runtime come with the first use.
    if name in ("Analysis", "Remover"):
        from unshine import remover

        return getattr(remover, name)
    if name == "Layers":
        from unshine.layers import Layers

        return Layers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
