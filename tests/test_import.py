"""What an import brings along; each in a fresh interpreter."""

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = ("numpy", "PIL", "onnxruntime", "torch", "mindspore", "bpy", "onnx", "scipy", "matplotlib")


FLOORS = (
    (
        "cpus",
        "errors",
        "exposure",
        "extras",
        "files",
        "layers",
        "masks",
        "metrics",
        "optics",
        "pixels",
        "tone",
    ),
    ("classical", "grain", "io", "networks", "steady", "upsampling"),
    ("data", "engines", "synth"),
    ("remover",),
    ("film", "tiling"),
    ("bench", "jobs", "training", "web"),
    ("cli",),
)
"""The rooms of the house, from the ground up; docs/architecture.md draws them."""


def _modules_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nimport json; print('\\n' + json.dumps(list(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["remove", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = f"from unshine.cli.main import app\napp({arguments!r}, standalone_mode=False)"
    assert not _modules_after(code).intersection(HEAVY)


def test_the_package_itself_imports_nothing_heavy() -> None:
    assert not _modules_after("import unshine; unshine.__version__").intersection(HEAVY)


@pytest.mark.parametrize(
    "module",
    ["unshine.remover", "unshine.engines.onnx", "unshine.io.stills", "unshine.optics"],
)
def test_removing_needs_no_training_framework(module: str) -> None:
    modules = _modules_after(f"import {module}")
    assert module in modules
    assert not modules.intersection(("torch", "mindspore", "bpy", "scipy", "onnx", "safetensors"))


def _imports(path: Path) -> set[str]:
    """The rooms that a file imports from, in functions and for types, too."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "unshine":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unshine."):
            rooms.add(node.module.split(".")[1])
    return rooms - {"__version__"}


def test_imports_run_downwards() -> None:
    import unshine

    house = Path(unshine.__file__).parent
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    upwards = []
    for path in house.rglob("*.py"):
        room = path.relative_to(house).with_suffix("").parts[0]
        if room not in ("__init__", "__main__"):
            lowest = floor[room] + (floor[room] == 0)  # the ground floor is one room
            upwards += [f"{path}: {x}" for x in _imports(path) if x != room and floor[x] >= lowest]
    assert not upwards


def test_public_names() -> None:
    import unshine
    from unshine.remover import Layers, Remover

    assert unshine.Remover is Remover
    assert unshine.Layers is Layers
    with pytest.raises(AttributeError, match="nonsense"):
        unshine.nonsense  # noqa: B018


@pytest.mark.skipif("CI" not in os.environ, reason="other machines may lack the extras")
@pytest.mark.parametrize(
    ("module", "there"),
    [("mindspore", sys.version_info < (3, 13)), ("bpy", sys.version_info[:2] == (3, 11))],
)
def test_ci_has_what_other_tests_skip_without(module: str, there: bool) -> None:
    assert not there or find_spec(module)
