"""`unshine info`: what is installed here, and what the weights are."""

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

from unshine import __version__


def info() -> None:
    """Show versions, engines, devices and the weights' card."""
    lines = {"unshine": __version__, "python": platform.python_version()}
    for package in ("numpy", "pillow", "onnxruntime", "torch"):
        try:
            lines[package] = version(package)
        except PackageNotFoundError:
            lines[package] = "not installed"

    card = None
    try:
        from unshine.engines import onnx
    except ImportError as error:
        lines["engine onnx"] = f"not available ({error})"
    else:
        weights = onnx.DEFAULT_WEIGHTS
        lines["engine onnx"] = f"available, on {onnx.available_cpus()} processors"
        lines["devices"] = ", ".join(onnx.available_devices())
        if weights.is_file():
            lines["weights"] = f"{weights} ({weights.stat().st_size / 1e6:.1f} MB)"
        else:
            lines["weights"] = f"{weights} is missing"
        card = weights.with_name("CARD.md")

    for name, value in lines.items():
        typer.echo(f"{name:12} {value}")
    if card is not None and card.is_file():
        typer.echo("\n" + "\n".join(card.read_text(encoding="utf-8").splitlines()[:12]))
