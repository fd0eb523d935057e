"""Running `dnas tile`, and all that it wrote."""

from pathlib import Path

from typer.testing import CliRunner, Result

from dnas_cli.app import app


def run(runner: CliRunner, *arguments: object, code: int = 0) -> Result:
    """Run `dnas tile`, which must end with a code."""
    result = runner.invoke(app, ["tile", *map(str, arguments)])
    assert result.exit_code == code, result.output + result.stderr
    assert "Traceback" not in result.stderr
    return result


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
