"""The log of a run: `dnas.log`."""

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dnas_cli.console import logger
from dnas_cli.run.command_log import versions
from dnas_cli.run.directory import Run
from dnas_cli.shown_text import shown


@contextmanager
def logged(run: Run) -> Iterator[None]:
    """Write the log also into the run within the block."""
    handler = _RunLog(run.log_path, encoding="utf-8", delay=True, errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    handler.handle(_header())
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


def _header() -> logging.LogRecord:
    """Return the first line of a command: what was typed, and the versions."""
    by = versions()
    text = f"{shown(shlex.join(sys.argv))}; " + ", ".join(f"{key} {by[key]}" for key in by)
    return logger.makeRecord(logger.name, logging.INFO, "", 0, "%s", (text,), None)


class _RunLog(logging.FileHandler):
    """A log that a full disk does not stop: its lines are also on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # opening can fail, which the handler does not catch
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return
