"""Which modules' docstrings pytest runs: those with an example whose extra is installed."""

from importlib.util import find_spec
from pathlib import Path

NEEDS = {"layered.py": "imagecodecs"}
"""What examples need beyond what their modules import at once."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the others alone: importing them can take an extra, and Blender."""
    if collection_path.suffix != ".py":
        return None
    needed = NEEDS.get(collection_path.name)
    if needed and find_spec(needed) is None:
        return True
    return True if ">>>" not in collection_path.read_text("utf-8") else None
