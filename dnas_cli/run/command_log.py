"""The commands that worked on a stage: `commands.jsonl` in its folder, a line per command."""

import json
import shlex
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Literal

from dnas_cli import __version__
from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.files import make_folder, read_text, remove_leftovers, write_text
from dnas_cli.json_files import parse_json
from dnas_cli.run.directory import Run, now
from dnas_cli.typed_fields import build

_NAME = "commands.jsonl"
Work = Literal["training", "decoding"]


@dataclass(frozen=True)
class CommandRecord:
    """A command that worked on a stage.

    Attributes:
        at: UTC time, ISO 8601.
        work: What it did.
        command: As it was typed; empty where Python called.
        epochs_done: Epochs of the stage that were complete by then: above 0 where it resumed.
        dnas: Version; likewise of torch and Python.
    """

    at: str
    work: Work
    command: str
    epochs_done: int
    dnas: str
    torch: str
    python: str


def record_command(run: Run, stage: str, work: Work, epochs_done: int) -> None:
    """Add the present command to those of a stage, whose lock is held."""
    folder = run.stage_folder(stage)
    record = CommandRecord(now(), work, typed_command(), epochs_done, **versions())
    make_folder(folder)
    path = folder / _NAME
    remove_leftovers(folder, _NAME)
    earlier = read_text(path) if path.is_file() else ""
    write_text(path, earlier + json.dumps(asdict(record)) + "\n")


def read_commands(folder: Path) -> list[CommandRecord]:
    """Read the commands of a stage, oldest first; none where they were not recorded.

    Raises:
        DataError: The file is damaged.
    """
    path = folder / _NAME
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            found.append(build(CommandRecord, parse_json(line, f"{path}, line {number}")))
        except MALFORMED as error:
            raise DataError(f"{path}: line {number} is damaged ({brief(error)}).") from error
    return found


def typed_command() -> str:
    """Return the command line of this process; empty where Python called."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join(["dnas", *sys.argv[1:]]) if name in ("dnas", "dnas_cli") else ""


def versions() -> dict[str, str]:
    """Return the versions of dnas, Python and torch."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "unknown"
    return {"dnas": __version__, "python": python_version(), "torch": torch}
