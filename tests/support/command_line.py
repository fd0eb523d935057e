"""Running `dnas` as a user does: in this process, or as a process of its own."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from dnas_cli.app import app
from tests.support.forked import Forked

# Of the time of a small command, building all commands with their options takes nine tenths.
typer.testing._get_command = cache(get_command)  # type: ignore[attr-defined]


def dnas(*arguments: object, code: int | None = 0) -> Result:
    """Run a command in this process; it ends with `code`, or with any where that is None.

    A command that fails prints one message, and no result.
    """
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if code is None:
        return result
    assert result.exit_code == code, (result.exit_code, result.output)
    assert "Traceback" not in result.output
    if code != 0:
        messages = re.findall(r"^(?:dnas: |Error: |╭─ Error)", result.stderr, re.MULTILINE)
        assert len(messages) == 1, result.stderr
        assert "should not happen" not in result.stderr
        assert result.stdout == ""
    return result


def start(*arguments: object, own_session: bool = False, before: str = "") -> Forked:
    """Start a command as a process of its own, which may run some Python before it."""
    return Forked([str(argument) for argument in arguments], own_session, before)


def start_interpreter(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start a command and its interpreter, with options of `Popen`; both streams are piped."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "dnas_cli", *map(str, arguments)], text=True, **(pipes | options)
    )


def rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
