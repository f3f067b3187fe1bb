"""`unshine info`: what is installed here, and what the weights are."""

import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import typer

from unshine import __version__


def info() -> None:
    """Show versions, engines, devices and the weights' card."""
    lines = {"unshine": __version__, "python": platform.python_version()}
    for package in ("numpy", "pillow", "onnxruntime", "torch", "mindspore"):
        try:
            lines[package] = version(package)
        except PackageNotFoundError:
            lines[package] = "not installed"

    card = None
    try:
        from unshine.cpus import available_cpus
        from unshine.engines import onnx
    except ImportError as error:
        lines["engine onnx"] = f"not available ({error})"
    else:
        weights = onnx.DEFAULT_WEIGHTS
        devices = ", ".join(onnx.available_devices())
        lines["engine onnx"] = f"available: {devices}; {available_cpus()} processors"
        if weights.is_file():
            lines["weights"] = f"{weights} ({weights.stat().st_size / 1e6:.1f} MB)"
        else:
            lines["weights"] = f"{weights} is missing"
        card = weights.with_name("CARD.md")
    lines["engine torch"] = _devices("torch", "train")
    lines["engine mindspore"] = _devices("mindspore", "mindspore")

    for name, value in lines.items():
        typer.echo(f"{name:16} {value}")
    if card is not None and card.is_file():
        typer.echo("\n" + "\n".join(card.read_text(encoding="utf-8").splitlines()[:12]))


def _devices(package: str, extra: str) -> str:
    """Say where an engine can run; its framework is imported only if it is installed."""
    try:
        engine = import_module(f"unshine.engines.{package}")
    except ImportError as error:
        if error.name == package:
            return f'not available: pip install "unshine[{extra}]"'
        return f"not available ({error})"
    return f"available: {', '.join(engine.available_devices())}"
