"""What pytest collects besides tests: modules with an example whose extra is installed."""

from importlib.util import find_spec
from pathlib import Path

NEEDS = {"layered.py": "imagecodecs"}
"""What examples need beyond what their modules import at once."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave others alone: importing them can take an extra, start Blender, or run a script."""
    name = collection_path.name
    if collection_path.suffix != ".py" or name.startswith(("test_", "conftest")):
        return None
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        return True
    return True if ">>>" not in collection_path.read_text("utf-8") else None
