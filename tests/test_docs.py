"""What the docs say is so: code prints what stands under it, and the architecture names each file.

The blocks of code in docs/python.md run as programs.
"""

import ast
import re
import runpy
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<printed>.*?)```\n)?", re.DOTALL)


def blocks():
    """Return code and output of each block, named after its heading."""
    page = (ROOT / "docs" / "python.md").read_text()
    for match in BLOCK.finditer(page):
        heading = re.findall(r"^## (.*)$", page[: match.start()], re.MULTILINE)[-1]
        line = page.count("\n", 0, match.start()) + 2
        yield pytest.param(match["code"], match["printed"] or "", id=f"{heading}, line {line}")


@pytest.mark.parametrize("code, printed", list(blocks()))
def test_a_block_prints_what_stands_under_it(code, printed, tmp_path, monkeypatch, capsys):
    for package in packages(code):
        if not find_spec(package):
            pytest.skip(f"{package} is not installed")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    script = tmp_path / "script.py"
    script.write_text(code)
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out == printed


def packages(code):
    """Return the names of the packages that a block imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


def test_every_block_of_the_page_is_found():
    page = (ROOT / "docs" / "python.md").read_text()
    assert len(list(blocks())) == page.count("```python")
    assert page.count("```text") == sum(1 for block in blocks() if block.values[1])


def test_the_architecture_names_every_file():
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page[page.index("## The floors") : page.index("## Walks")]
    rows = {row.split("|")[1].strip(): row for row in table.splitlines() if row.startswith("| `")}
    house = ROOT / "src" / "unshine"
    missing = []
    for path in sorted(house.rglob("*.py")):
        place = path.relative_to(house)
        if path.stem.startswith("__"):
            continue
        if len(place.parts) == 1:
            named = f"`{place}`" in table
        else:
            room = f"`{place.parent.as_posix()}/`"
            row = rows.get(room) or rows[f"`{place.parts[0]}/`"]
            named = f"`{path.stem}`" in row
        if not named:
            missing.append(str(place))
    assert not missing
