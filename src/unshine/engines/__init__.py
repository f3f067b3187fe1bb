"""Who runs the network; `onnx` needs nothing beyond the base install.

An engine is called with a picture and the names of the outputs that are wanted. Its `names` are
those it can give and `device` says where it runs. Whatever the network, `shading` and `specular`
are linear and all other pictures display values.
"""

from pathlib import Path
from typing import Any

from unshine import optics

SHIPPED = Path(__file__).parent.parent / "weights" / "fast.safetensors"
"""The weights that come with the package; `onnx` reads them by way of the graph beside them."""

LINEAR = ("shading", "specular")


def in_its_space(network: str, name: str, output: Any) -> Any:
    """Turn an output of `network` into what engines return: TSHRNet's are all display values."""
    return optics.decode(output) if network == "tshrnet" and name in LINEAR else output
