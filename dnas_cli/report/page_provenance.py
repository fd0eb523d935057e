"""Where a run comes from, for its page: hashes, versions, settings, commands, lineage."""

from collections.abc import Sequence
from dataclasses import dataclass

from dnas_cli.errors import DataError
from dnas_cli.files import file_hash
from dnas_cli.json_files import read_json
from dnas_cli.report.run_status import TITLES
from dnas_cli.run.command_log import CommandRecord, read_commands
from dnas_cli.run.directory import Run
from dnas_cli.run.manifest import STAGES


@dataclass(frozen=True)
class CodingHash:
    """A coding or space: its file's name, its hash, and the hash of what it was derived from."""

    name: str
    own: str
    parent: str


@dataclass(frozen=True)
class StageOrigin:
    """How a stage came about."""

    title: str
    settings: tuple[tuple[str, str], ...]
    decoded: tuple[tuple[str, str], ...]
    commands: Sequence[CommandRecord]


@dataclass(frozen=True)
class Provenance:
    """Where a run comes from.

    Attributes:
        codings: In the order they were derived.
        stages: Those that have started.
        model_hash: SHA-256 of the model file; empty without one.
    """

    codings: Sequence[CodingHash]
    stages: Sequence[StageOrigin]
    model_hash: str


def provenance(run: Run) -> Provenance:
    """Return where a run comes from.

    Raises:
        DataError: A file is damaged.
    """
    stages = []
    for name in STAGES:
        record = run.record(name)
        if record is not None:
            stages.append(
                StageOrigin(
                    TITLES[name],
                    tuple((key, str(value)) for key, value in record.settings.items()),
                    tuple((key, str(value)) for key, value in record.decoded.items()),
                    _commands(run, name),
                )
            )
    codings = []
    for key in ("stage1", "path", "stage2", "connections", "stage3", "architecture"):
        path = run.coding_path(key)
        if path.is_file():
            document = read_json(path)
            codings.append(
                CodingHash(key, str(document.get("hash")), str(document.get("derived_from")))
            )
    model = file_hash(run.model_path) if run.model_path.is_file() else ""
    return Provenance(codings, stages, model)


def _commands(run: Run, name: str) -> list[CommandRecord]:
    try:
        return read_commands(run.stage_folder(name))
    except DataError:  # a page is worth more than its list of commands
        return []
