"""The log of a run: `dnas.log`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dnas_cli.console import logger
from dnas_cli.run.directory import Run


@contextmanager
def logged(run: Run) -> Iterator[None]:
    """Write the log also into the run within the block."""
    handler = _RunLog(run.log_path, encoding="utf-8", delay=True, errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _RunLog(logging.FileHandler):
    """A log that a full disk does not stop: its lines are also on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # opening can fail, which the handler does not catch
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return
