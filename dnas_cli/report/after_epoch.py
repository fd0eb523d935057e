"""What the commands write after every epoch: curves as a picture and a table, the page, logs."""

from collections.abc import Sequence
from typing import Literal

from dnas_cli.console import logger
from dnas_cli.errors import DnasError
from dnas_cli.report.run_status import TITLES
from dnas_cli.report.training_curves import history_marks, write_progress_picture
from dnas_cli.run.command_log import read_commands
from dnas_cli.run.rows import read_rows
from dnas_cli.stages.epoch_callback import EpochCallback, EpochEnd

Log = Literal["tensorboard"]


def epoch_callbacks(page: bool = False, log: Log | None = None) -> Sequence[EpochCallback]:
    """Return what is done after every epoch.

    Args:
        page: Write `report.html`.
        log: Write for this viewer as well.

    Raises:
        UsageError: The package for `log` is not installed.
    """
    callbacks: list[EpochCallback] = [_forgiving(_draw_curves)]
    if page:
        callbacks.append(_forgiving(_write_page))
    if log == "tensorboard":
        from dnas_cli.report.confusion import confusion_picture
        from dnas_cli.stages.tensorboard_log import TensorBoardLog

        callbacks.append(_forgiving(TensorBoardLog(confusion_picture)))
    return callbacks


def _draw_curves(end: EpochEnd) -> None:
    """Write `progress.png` into the stage's folder; it takes a fifth of a second."""
    folder, record = end.run.stage_folder(end.stage), end.run.record(end.stage)
    settings, extensions = (record.settings, record.extensions) if record else ({}, ())
    rows = read_rows(folder / "history.jsonl")
    planned = int(settings.get("epochs", 0)) or len(rows)
    marks = history_marks(rows, extensions, planned, read_commands(folder))
    write_progress_picture(folder / "progress.png", TITLES[end.stage], rows, marks)


def _write_page(end: EpochEnd) -> None:
    from dnas_cli.report.page_content import page_content
    from dnas_cli.report.run_page import write_run_page

    write_run_page(end.run.root / "report.html", end.run, page_content(end.run, look=False))


def _forgiving(callback: EpochCallback) -> EpochCallback:
    """Return a callback that warns once where it fails: no picture is worth a training."""
    failed = False

    def call(end: EpochEnd) -> None:
        nonlocal failed
        try:
            callback(end)
        except (DnasError, OSError) as error:
            if not failed:
                logger.warning("not written after this epoch: %s", error)
            failed = True

    return call
