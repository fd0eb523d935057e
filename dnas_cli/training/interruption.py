"""Signals during training: finish the step, save, and stop or go on."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interruption:
    """Notes signals; use as a context manager around the loop and ask after every step.

    The first SIGINT or SIGTERM asks to stop (`requested`), a second SIGINT stops at once. SIGUSR1,
    which schedulers send ahead of a preemption, asks to save and go on (`save_requested`). Outside
    the main thread, where Python lets nobody handle signals, nothing is ever asked for.
    """

    def __init__(self) -> None:
        self.requested = False
        self.save_requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._stop)
            self._previous[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._save)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True

    def _save(self, number: int, frame: FrameType | None) -> None:
        self.save_requested = True
