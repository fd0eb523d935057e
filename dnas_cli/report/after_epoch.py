"""What the commands write after every epoch: curves as a picture and a table, the page, logs."""

import time
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

_BETWEEN_PICTURES = 3.0  # seconds; drawing one takes a quarter of a second


def epoch_callbacks(page: bool = False, log: Log | None = None) -> Sequence[EpochCallback]:
    """Return what is done after every epoch.

    Args:
        page: Write `report.html`.
        log: Write for this viewer as well.

    Raises:
        UsageError: The package for `log` is not installed.
    """
    callbacks: list[EpochCallback] = [_forgiving(_Curves())]
    if page:
        callbacks.append(_forgiving(_write_page))
    if log == "tensorboard":
        from dnas_cli.report.confusion import confusion_picture
        from dnas_cli.stages.tensorboard_log import TensorBoardLog

        callbacks.append(_forgiving(TensorBoardLog(confusion_picture)))
    return callbacks


class _Curves:
    """Writes `progress.png` into the stage's folder where that is due.

    Every epoch that takes three seconds is drawn; of quicker ones the last, and others from time to
    time.
    """

    def __init__(self) -> None:
        self._drawn = time.monotonic()

    def __call__(self, end: EpochEnd) -> None:
        folder, record = end.run.stage_folder(end.stage), end.run.record(end.stage)
        settings = record.settings if record else {}
        extensions = record.extensions if record else ()
        planned = int(settings.get("epochs", 0))
        last = end.epochs_done >= planned + sum(item.epochs for item in extensions)
        if not last and time.monotonic() - self._drawn < _BETWEEN_PICTURES:
            return
        self._drawn = time.monotonic()
        rows = read_rows(folder / "history.jsonl")
        marks = history_marks(rows, extensions, planned or len(rows), read_commands(folder))
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
