"""Interruption by signals: at once, or at the end of a step.

Outside the main thread, where Python allows no signal handlers, these functions do nothing.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Self


class Interruption:
    """Notes signals; use it as a context manager around steps, and ask it after each.

    The first SIGINT or SIGTERM requests to stop, a second SIGINT stops at once. SIGUSR1, which
    schedulers send before a preemption, requests to save and continue.

    Attributes:
        requested: A signal requested to stop.
        save_requested: A signal requested to save.
    """

    def __init__(self) -> None:
        self.requested = False
        self.save_requested = False
        self._handlers = ExitStack()

    def __enter__(self) -> Self:
        self._handlers.enter_context(handled(self._stop, signal.SIGINT, signal.SIGTERM))
        self._handlers.enter_context(handled(self._save, signal.SIGUSR1))
        return self

    def __exit__(self, *_: object) -> None:
        self._handlers.close()

    def end_step(self) -> None:
        """Stop here if a signal requested it.

        Raises:
            KeyboardInterrupt: A signal requested it.
        """
        if self.requested:
            raise KeyboardInterrupt

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True

    def _save(self, number: int, frame: FrameType | None) -> None:
        self.save_requested = True


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handled(interrupt, signal.SIGTERM):
        yield


def is_interruption(error: BaseException | None) -> bool:
    """Whether an exception is a KeyboardInterrupt, or came while one ended what was open.

    GDAL's binding makes another exception of one that comes while it enters or leaves a block.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Let a function handle signals while the block lasts."""
    previous: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, restored in previous.items():
            signal.signal(number, restored)
