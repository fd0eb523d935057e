"""Signals during training: finish the step, save, and stop or go on."""

import signal
from contextlib import ExitStack
from types import FrameType
from typing import Self

from dnas_cli.stopping import handled


class Interruption:
    """Notes signals; use as a context manager around the loop and ask after every step.

    The first SIGINT or SIGTERM asks to stop (`requested`), a second SIGINT stops at once. SIGUSR1,
    which schedulers send ahead of a preemption, asks to save and go on (`save_requested`).
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

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True

    def _save(self, number: int, frame: FrameType | None) -> None:
        self.save_requested = True
