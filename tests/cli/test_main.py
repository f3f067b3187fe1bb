from typer.testing import CliRunner

import unshine
from unshine.cli.main import app


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"unshine {unshine.__version__}\n"


def test_help_names_the_verbs() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "remove" in result.stdout
    assert "info" in result.stdout


def test_wrong_usage_exits_with_2() -> None:
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
