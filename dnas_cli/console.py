"""Log lines and progress bars, all on standard error.

Results go to standard output and are printed by the commands; nothing here writes there.
"""

import codecs
import logging
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dnas_cli.shown_text import shown
from dnas_cli.standard_streams import write_no_more

logger = logging.getLogger("dnas")

_LOG_INTERVAL = 15.0  # seconds between progress lines where there is no terminal


class _StandardError(logging.Handler):
    """Writes to the current `sys.stderr`, so that redirection always works."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = {logging.WARNING: "warning: ", logging.ERROR: "error: "}.get(record.levelno, "")
        say(prefix + record.getMessage())


_terminal = _StandardError()
_spelled: Callable[[str], str] = str


def spell(how: Callable[[str], str]) -> None:
    """Set how the terminal writes the names of parameters in messages."""
    global _spelled
    _spelled = how


def _as_text(record: logging.LogRecord) -> bool:
    """Let names in a message be text: they neither begin a line nor steer a terminal."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            shown(item) if isinstance(item, str | Path) else item for item in record.args
        )
    return True


def say(message: str) -> None:
    """Write a message to standard error; if that is full, drop it."""
    try:
        print(_wrapped(_spelled(message)), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        write_no_more(sys.stderr)


def _wrapped(message: str) -> str:
    """Break a message between words where a terminal would break it anywhere."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):  # no terminal
        return message
    wrapper = textwrap.TextWrapper(
        max(width, 20), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapper.fill(line) for line in message.splitlines())


def configure(level: int = logging.INFO) -> None:
    """Send the log to standard error from `level` on (`logging.WARNING` for quiet).

    The log of a run has its own handler and does not depend on what the terminal shows.
    """
    if _terminal not in logger.handlers:
        logger.addHandler(_terminal)
        logger.addFilter(_as_text)
    logger.propagate = False
    _terminal.setLevel(level)
    logger.setLevel(min(level, logging.INFO))
    # It warns where it finds no home to keep its list of fonts in, and works without.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _not_shown
    if hasattr(sys.stdout, "reconfigure"):  # names of files need not be UTF-8
        sys.stdout.reconfigure(errors="dnas-names")


def shows(level: int) -> bool:
    """Whether the terminal shows log lines of a level."""
    return _terminal.level <= level


def _not_shown(fault: "sys.UnraisableHookArgs") -> None:
    """Keep tracebacks of errors that nobody can catch off the terminal.

    Some damaged rasters make GDAL report an error that is not valid text, on which rasterio fails.
    """
    logger.debug("ignored: %r in %r", fault.exc_value, fault.object)


def _as_it_is(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write a file name that is not UTF-8 with its own bytes, anything else escaped."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


codecs.register_error("dnas-names", _as_it_is)


@contextmanager
def progress(description: str, total: int, unit: str = "step") -> Iterator[Callable[[int], None]]:
    """Show the progress of a long step and yield the function that advances it.

    On a terminal this is a bar with rate and remaining time; elsewhere a log line every 15 s.
    """
    description = shown(description)
    if not shows(logging.INFO):
        yield lambda count: None
    elif sys.stderr.isatty():
        with _bar(description, total, unit) as advance:
            yield advance
    else:
        with _lines(description, total, unit) as advance:
            yield advance


@contextmanager
def _bar(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0.0:.1f} {unit}/s", style="progress.data.speed")

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task(description, total=total)
        yield lambda count: bars.advance(task, count)


@contextmanager
def _lines(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    done, start = 0, time.monotonic()
    spoken = start

    def advance(count: int) -> None:
        nonlocal done, spoken
        done += count
        now = time.monotonic()
        if now - spoken >= _LOG_INTERVAL and done < total:
            spoken = now
            rate = done / (now - start)
            left = (total - done) / rate if rate else 0.0
            logger.info(
                "%s: %d of %d, %.1f %s/s, %.0f s left", description, done, total, rate, unit, left
            )

    yield advance


def as_bytes(size: float) -> str:
    """Return bytes as readable text: 612 MB, 1.4 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
