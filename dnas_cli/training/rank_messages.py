"""What the first process of a training sends the others: take part in a training, or end.

Messages wait in a store of keys and values, so that the others may wait for them as long as the
first one is busy with something else.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dnas_cli.training.ranks import LostRankError, join, leave

_PAUSE = 0.05  # seconds between two looks into the store
_FAREWELL = 120.0  # seconds that the first process waits for the others to read its last message
_SHORT_FAREWELL = 5.0  # the same if one of them is lost
_END = "end"


_leader: "Messages | None" = None  # of this process while it leads


@contextmanager
def leading() -> Iterator[None]:
    """Lead other processes while the block lasts, and send them its exit code at the end.

    Raises:
        UsageError: The environment is incomplete.
        LostRankError: The other processes do not come.
    """
    global _leader
    _leader, code, patience = Messages(), 1, _FAREWELL
    try:
        yield
        code = 0
    except KeyboardInterrupt:
        code = 130
        raise
    except LostRankError:
        patience = _SHORT_FAREWELL
        raise
    except Exception as error:
        code = int(getattr(error, "exit_code", 1))
        raise
    finally:
        ended, _leader = _leader, None
        ended.end(code, patience)


def send(content: Mapping[str, object]) -> None:
    """Send plain data to the processes that this one leads, if any."""
    if _leader is not None:
        _leader.send(content)


class Messages:
    """The messages of the processes that this one joins when it is made.

    Raises:
        UsageError: The environment is incomplete.
        LostRankError: The other processes do not come.
    """

    def __init__(self) -> None:
        self.ranks, self._store = join()
        self._next = 0

    def send(self, content: Mapping[str, object]) -> None:
        """Send the other processes plain data."""
        self._store.set(str(self._next), json.dumps(content))
        self._next += 1

    def receive(self) -> Mapping[str, object] | int:
        """Wait for the next message, or for the exit code of the first process.

        Raises:
            LostRankError: The first process ended without one.
        """
        while True:
            if (code := self.exit_code()) is not None:
                return code
            key = str(self._next)
            if self._holds(key):
                self._next += 1
                content: Mapping[str, object] = json.loads(self._store.get(key))
                return content
            time.sleep(_PAUSE)

    def exit_code(self) -> int | None:
        """Return the exit code of the first process if it has sent one.

        Raises:
            LostRankError: The first process ended without one.
        """
        if not self._holds(_END):
            return None
        self._store.set(f"read-{self.ranks.number}", "")
        return int(self._store.get(_END))

    def end(self, code: int, patience: float) -> None:
        """Send the exit code, and wait so many seconds for all to read it."""
        self._store.set(_END, str(code))
        leave()  # a process that is inside a step stops waiting for this one
        end = time.monotonic() + patience
        others = [f"read-{number}" for number in range(1, self.ranks.count)]
        while time.monotonic() < end and not self._store.check(others):
            time.sleep(_PAUSE)

    def _holds(self, key: str) -> bool:
        try:
            return bool(self._store.check([key]))
        except RuntimeError as error:
            raise LostRankError(
                "the first process of this training ended without a message; the last checkpoint "
                "is intact.",
                "Run the same command again.",
            ) from error
