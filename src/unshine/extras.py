"""Optional libraries: imported, or missed in always the same one sentence."""

import importlib
from typing import Any

from unshine.errors import UnshineError

TITLES = {
    "torch": "PyTorch",
    "mindspore": "MindSpore",
    "bpy": "Blender (bpy)",
    "av": "PyAV",
    "OpenEXR": "OpenEXR",
}
"""What packages are called, where that is not the name of their import."""


def missing(package: str, extra: str) -> UnshineError:
    """Return the error that says which library is missing and how to install it.

    Parameters
    ----------
    package : str
        The name that failed to be imported.
    extra : str
        The extra of this package that brings it.

    Examples
    --------
    >>> print(missing("torch", "train"))
    PyTorch is missing; install it with: pip install "unshine[train]"
    """
    title = TITLES.get(package, package)
    return UnshineError(f'{title} is missing; install it with: pip install "unshine[{extra}]"')


def load(package: str, extra: str) -> Any:
    """Import a library that an extra brings.

    Parameters
    ----------
    package : str
        What to import; it may be a module of ours that needs the extra.
    extra : str
        The extra that brings it, or what it needs.

    Raises
    ------
    UnshineError
        If a library is not installed (`missing`).
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        absent = (error.name or package).partition(".")[0]
        if absent == "unshine":
            raise
        raise missing(absent, extra) from error
    except ImportError as error:  # it is there, but its own libraries are not
        title = TITLES.get(package, package)
        raise UnshineError(
            f"{title} cannot be used ({error}); install it again with: pip install"
            f' "unshine[{extra}]"'
        ) from error
