"""Codings, models and searches of the first release, in and out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dnas_cli.api.path_arguments import AnyPath, AnyRun, Data, path_of, path_or_none
from dnas_cli.run.directory import Run

if TYPE_CHECKING:
    from dnas_cli.model.model_file import Model
    from dnas_cli.release1.codings import Release1Coding


def import_architecture(
    files: Sequence[AnyPath], out: AnyPath, *, overwrite: bool = False
) -> "Release1Coding":
    """Turn a coding of the first release into an architecture coding for `retrain`.

    Args:
        files: `third_connect.npy` and `cell_operations.npy`.
        out: The architecture coding.
        overwrite: Replace `out`.

    Raises:
        DataError: A file is missing or damaged, or they do not belong together.
        RunStateError: `out` exists.
    """
    from dnas_cli.release1.import_model import import_architecture as convert

    connections, operations = map(Path, files)
    return convert(connections, operations, Path(out), overwrite)


def import_model(
    files: Sequence[AnyPath],
    out: AnyPath,
    *,
    dataset: Data,
    dtype: str = "uint8",
    tile_size: int = 512,
    overwrite: bool = False,
) -> "Model":
    """Turn a model of the first release into a model file.

    Args:
        files: `third_connect.npy`, `cell_operations.npy` and the checkpoint.
        out: The model file.
        dataset: What it was trained on: `gid5`, `gid15`, `fbp`, a YAML file or a tile set.
        dtype: Data type of the bands, unless `dataset` is a tile set.
        tile_size: Size of the training tiles, likewise.
        overwrite: Replace `out`.

    Raises:
        DataError: A file is missing or damaged, or they do not belong together.
        RunStateError: `out` exists.
        UsageError: There is no such data type.
    """
    from dnas_cli.release1.import_model import Imagery
    from dnas_cli.release1.import_model import import_model as convert

    connections, operations, checkpoint = map(Path, files)
    imagery = Imagery(str(path_of(dataset)), dtype, tile_size)
    return convert(connections, operations, checkpoint, imagery, Path(out), overwrite)


def import_search(
    checkpoint: AnyPath,
    run: AnyRun,
    *,
    stage: int | None = None,
    data: "Data | None" = None,
    overwrite: bool = False,
) -> tuple[Run, int]:
    """Import a search of the first release into a run, to decode it there.

    Args:
        checkpoint: Of the supernet.
        run: The run.
        stage: The expected stage; any when missing.
        data: Tile set of a new run.
        overwrite: Replace a search that exists.

    Returns:
        The run, and the stage.

    Raises:
        DataError: The checkpoint cannot be used, or does not fit the run or its tile set.
        RunStateError: The stage is searched already, or later ones build on it.
        UsageError: A new run has no tile set, or the stage is another.
    """
    from dnas_cli.release1.import_search import import_search as convert

    return convert(Path(checkpoint), path_of(run), stage, path_or_none(data), overwrite)


def export_coding(source: AnyRun, out: AnyPath, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write the architecture of a run, or of a coding, as files of the first release.

    Returns:
        `third_connect.npy` and `cell_operations.npy`, in the folder `out`.

    Raises:
        RunStateError: The run has no architecture yet, or the files exist.
        DataError: The run does not exist, or its architecture is damaged.
    """
    from dnas_cli.release1.export_coding import export_release1

    return export_release1(path_of(source), Path(out), overwrite)
