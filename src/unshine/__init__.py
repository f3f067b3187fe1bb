"""Remove specular highlights from photographs.

>>> import unshine
>>> clean = unshine.remove(image)  # doctest: +SKIP
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from unshine.errors import UnshineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unshine.remover import Layers, Remover

__version__ = "0.1.0"

__all__ = ["Layers", "Remover", "UnshineError", "__version__", "decompose", "remove"]


def remove(image: "NDArray[Any]", strength: float = 1.0) -> "NDArray[Any]":
    """Remove the highlights of a picture with the shipped weights.

    The first call loads the network; `Remover` offers the choice of device and weights.

    Parameters
    ----------
    image : ndarray, H×W×3, H×W×4 or H×W
        Display-encoded uint8, uint16 or float; floats in [0, 1]. Alpha is left alone.
    strength : float
        From 0 (nothing happens) to 1 (the highlights are removed as far as possible).

    Returns
    -------
    ndarray
        Same type and shape; pixels without a highlight are identical.
    """
    return _default_remover().remove(image, strength)


def decompose(image: "NDArray[Any]") -> "Layers":
    """Take a picture apart into albedo, shading, diffuse and specular light.

    Parameters
    ----------
    image : ndarray, H×W×3, H×W×4 or H×W
        As for `remove`.

    Returns
    -------
    Layers
        All float32, of the picture's height and width.
    """
    return _default_remover().decompose(image)


@cache
def _default_remover() -> "Remover":
    from unshine.remover import Remover

    return Remover()


def __getattr__(name: str) -> Any:
    # Importing the package stays quick: NumPy, Pillow and ONNX Runtime come with the first use.
    if name in ("Layers", "Remover"):
        from unshine import remover

        return getattr(remover, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
