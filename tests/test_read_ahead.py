"""Reading ahead of the network and writing behind it."""

import threading
from collections.abc import Generator

import pytest

from dnas_cli.errors import DataError, DnasError
from dnas_cli.mapping.read_ahead import prefetched, written_behind


def test_items_come_in_order_and_never_more_than_one_ahead() -> None:
    made: list[int] = []

    def items() -> Generator[int, None, None]:
        for number in range(6):
            made.append(number)
            yield number

    for number in prefetched(items()):
        assert made[-1] <= number + 1
    assert made == [0, 1, 2, 3, 4, 5]


def test_what_goes_wrong_ahead_is_raised_in_its_place() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise DataError("damaged")

    ahead = prefetched(items())
    assert next(ahead) == 1
    with pytest.raises(DataError, match="damaged"):
        next(ahead)


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    closed = []

    def items() -> Generator[int, None, None]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    before = threading.active_count()
    ahead = prefetched(items())
    next(ahead)
    ahead.close()
    assert closed
    assert threading.active_count() == before


def test_all_is_written_whatever_ends_the_work() -> None:
    written: list[int] = []

    def interrupted() -> None:
        with written_behind(written.append) as write:
            write(1)
            write(2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert written == [1, 2]


@pytest.mark.parametrize("items", [1, 3])
def test_a_full_disk_behind_is_raised_at_the_next_item_or_at_the_end(items: int) -> None:
    def full(item: int) -> None:
        raise DnasError("the disk is full")

    def work() -> None:
        with written_behind(full) as write:
            for item in range(items):
                write(item)

    with pytest.raises(DnasError, match="full"):
        work()
