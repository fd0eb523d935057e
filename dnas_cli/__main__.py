"""Entry point of `python -m dnas_cli`."""

from dnas_cli.app import app

app(prog_name="dnas")
