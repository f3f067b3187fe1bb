"""`python -m unshine`: the command line without an installed script."""

from unshine.cli.main import app

app(prog_name="unshine")
