"""Reading ahead of a network and writing behind it, on one thread each.

A step starts as soon as the previous one is done, at most one ahead, so each thread adds one item
to memory. These threads wait for disks or decode; the network has its own threads.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Yield `items`, each prepared on another thread while the caller works on the previous one.

    An error in preparing an item is raised in place of the item.
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

    At the end of the block, all items are written, even after an error. An error in writing is
    raised with the next item, or at the end.
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
