"""Many commands at once, each in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.forked import Forked


@dataclass(frozen=True)
class Ending:
    """How a command of a crowd ended."""

    code: int
    output: str


def crowd(commands: Sequence[Sequence[object]]) -> list[Ending]:
    """Run commands at once and return how they ended."""
    processes = [Forked([str(item) for item in command]) for command in commands]
    outputs = ["".join(reversed(process.communicate())) for process in processes]
    return [
        Ending(process.wait(), output) for process, output in zip(processes, outputs, strict=True)
    ]
