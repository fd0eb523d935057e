"""Refusals of `dnas eval`, and how many pixels it has to score."""

from typer.testing import CliRunner

from dnas_cli.app import app
from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.tile_set import TileSet


def labelled_pixels(tiles: TileSet, split: str) -> int:
    """Count the labelled pixels in the tiles of a split, those of two tiles twice."""
    return sum(int((tiles.read(ref)[2] != IGNORE).sum()) for ref in tiles.split(split))


def refused_eval(runner: CliRunner, code: int, *arguments: object) -> str:
    """Run `dnas eval`, which must be refused with a code, and return the message."""
    result = runner.invoke(app, ["eval", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr
