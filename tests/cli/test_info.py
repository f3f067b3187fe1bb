import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unshine.cli.main import app
from unshine.engines import onnx as engine


def test_info_names_the_engine_and_the_weights() -> None:
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0
    assert "onnxruntime" in result.stdout
    assert str(engine.DEFAULT_WEIGHTS) in result.stdout


def test_info_shows_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "CARD.md").write_text("# The card\n")
    monkeypatch.setattr(engine, "DEFAULT_WEIGHTS", tmp_path / "fast.onnx")
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0
    assert "fast.onnx is missing" in result.stdout
    assert "# The card" in result.stdout


def test_info_names_the_devices_of_installed_engines_and_the_extras_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "unshine.engines.mindspore", raising=False)
    monkeypatch.setitem(sys.modules, "mindspore", None)
    output = CliRunner().invoke(app, ["info"]).stdout
    assert 'engine mindspore not available: pip install "unshine[mindspore]"' in output
    assert re.search(r"engine torch +available: .*cpu", output)
