"""Exporting the architecture of a run in the first release's form."""

from pathlib import Path

from dnas_cli.claimed_outputs import claim_outputs, writing_outputs
from dnas_cli.errors import RunStateError
from dnas_cli.release1.codings import CONNECTIONS_FILE, OPERATIONS_FILE, write_release1
from dnas_cli.run.directory import CODINGS, open_run
from dnas_cli.space.coding import ArchitectureCoding


def export_release1(source: Path, folder: Path, overwrite: bool = False) -> tuple[Path, Path]:
    """Write `third_connect.npy` and `cell_operations.npy` of an architecture.

    Returns:
        The two files.

    Raises:
        RunStateError: The run has no architecture yet, or the files exist.
        DataError: The run does not exist, or its architecture is damaged.
    """
    architecture = _architecture(source)
    files = (folder / CONNECTIONS_FILE, folder / OPERATIONS_FILE)
    claim_outputs(files, overwrite)
    with writing_outputs(files):
        return write_release1(folder, architecture)


def _architecture(source: Path) -> ArchitectureCoding:
    if source.is_file():
        return ArchitectureCoding.read(source)
    run = open_run(source)
    if not run.coding_path(CODINGS[3]).is_file():
        raise RunStateError(
            f"{source}: has no architecture yet (coding/architecture.json).",
            f"Run: {run.next_command()}",
        )
    return run.architecture()
