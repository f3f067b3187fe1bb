"""Which modules' docstrings pytest runs: those with an example."""

from pathlib import Path


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the others alone: importing them can take an extra, and Blender."""
    if collection_path.suffix == ".py" and ">>>" not in collection_path.read_text("utf-8"):
        return True
    return None
