"""Stopping work by signals: SIGTERM does what Ctrl-C does, at once or at the end of a step.

Outside the main thread, where Python lets nobody handle signals, nothing here changes anything.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handled(interrupt, signal.SIGTERM):
        yield


class StepStop:
    """Whether a signal asked to stop at the end of a step.

    Attributes:
        requested: One did.
    """

    def __init__(self) -> None:
        self.requested = False

    def end_step(self) -> None:
        """Stop here if that was asked for.

        Raises:
            KeyboardInterrupt: It was.
        """
        if self.requested:
            raise KeyboardInterrupt


@contextmanager
def stopped_between_steps() -> Iterator[StepStop]:
    """Put SIGINT and SIGTERM off to the end of a step; a second SIGINT raises at once."""
    stop = StepStop()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.requested = True

    with handled(ask, signal.SIGINT, signal.SIGTERM):
        yield stop


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Let a function handle signals while the block lasts."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
