"""One of several parts of some work: which scenes, images or tiles a process takes.

Several processes, on one machine or many, get the same command with another shard each. The parts
do not overlap, and together they are all of the work.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from dnas_cli.console import logger
from dnas_cli.errors import UsageError

Item = TypeVar("Item")

_ARRAY = "SLURM_ARRAY_TASK_"


@dataclass(frozen=True)
class Shard:
    """A part of some work; by itself, all of it.

    Attributes:
        number: Of the part, from 1.
        count: Of all parts.
    """

    number: int = 1
    count: int = 1

    @property
    def is_all(self) -> bool:
        """Whether there is no other part."""
        return self.count == 1

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Return this part of the items: every `count`-th, since neighbours are alike in size."""
        return list(items[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str | None) -> Shard:
    """Read a shard such as `2/8`; without one, it is all of the work.

    Raises:
        UsageError: It is not a shard.
    """
    if text is None:
        return Shard()
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"shard={text}: must be a part and the number of parts, such as 2/8.")
    return Shard(int(found[1]), int(found[2]))


def shard_of_job_array() -> str:
    """Return the shard of this task of a SLURM job array; all of the work outside of one.

    Raises:
        UsageError: The array's variables contradict each other.
    """
    names = ("ID", "COUNT", "MIN", "STEP")
    texts = [os.environ.get(_ARRAY + name, "") for name in names]
    if not (texts[0].isdigit() and texts[1].isdigit()):
        return str(Shard())
    task, count, first, step = (
        int(text) if text.isdigit() else 1 for text in (*texts[:2], texts[2] or texts[0], texts[3])
    )
    number = (task - first) // max(step, 1) + 1
    if not 1 <= number <= count:
        raise UsageError(
            f"{_ARRAY}ID={task}: is not a task of an array of {count} from {first}.",
            "Give shard=1/1 for all of the work.",
        )
    if count > 1:
        logger.info("shard %d/%d, by the SLURM job array (1/1 for all)", number, count)
    return str(Shard(number, count))
