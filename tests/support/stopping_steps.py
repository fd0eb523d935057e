"""Stopping a training in this process after a number of steps, as Ctrl-C twice would."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dnas_cli.training.steps import SearchSteps, WeightSteps


@contextmanager
def stopped_after(count: int) -> Iterator[None]:
    """Let trainings take so many steps and no more while the block lasts."""
    taken = 0

    def stopping(step: Any) -> Any:
        def one(self: Any, *arguments: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken > count:
                raise KeyboardInterrupt
            return step(self, *arguments)

        return one

    with pytest.MonkeyPatch.context() as patch:
        for kind in (SearchSteps, WeightSteps):
            patch.setattr(kind, "step", stopping(kind.step))
        yield
