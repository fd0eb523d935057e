"""Reading ahead of a network and writing behind it, on one thread each.

A step is begun as soon as the one before it is done, and never more than one ahead: so each adds
one item to what is held in memory. The threads wait for disks and networks or decode; the network
keeps its own.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Yield `items`, each prepared on another thread while the one before is worked on.

    What goes wrong in preparing an item is raised where the item would have been.
    """
    end = object()
    with closing(items), ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


@contextmanager
def written_behind(write: Callable[[Item], None]) -> Iterator[Callable[[Item], None]]:
    """Yield a function that lets another thread write an item while the next one is made.

    When the block ends, however it does, everything handed over is written. What goes wrong in
    writing is raised when the next item is handed over, or at the end.
    """
    pending: Future[None] | None = None

    with ThreadPoolExecutor(max_workers=1) as pool:

        def hand_over(item: Item) -> None:
            nonlocal pending
            if pending is not None:
                pending.result()
            pending = pool.submit(write, item)

        yield hand_over
        if pending is not None:
            pending.result()
