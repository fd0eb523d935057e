"""Parallel work by processes, which can stop between two steps of a task."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection
from multiprocessing.synchronize import Event
from types import FrameType
from typing import TypeVar

from dnas_cli.errors import DnasError, Interrupted
from dnas_cli.interruption import Interruption, handled

Task = TypeVar("Task")
Result = TypeVar("Result")

_end_step: Callable[[], None] | None = None  # of the tasks that run here


def check_stop() -> None:
    """Stop the calling task, which is between two steps, if the user interrupted the work.

    Raises:
        Interrupted: In a worker process; the user interrupted the work.
        KeyboardInterrupt: The same where there are no workers.
    """
    if _end_step is not None:
        _end_step()


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[Result]:
    """Call a function on every task and yield the results as they come, in no order.

    Args:
        function: A function of a module; runs in other processes if there are several workers.
        tasks: Values that can be pickled.
        workers: Largest number of processes; 1 runs everything in this process.

    Raises:
        DnasError: A worker process died.
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from _in_this_process(function, tasks)
    else:
        yield from _in_processes(function, tasks, min(workers, len(tasks)))


def _in_this_process(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
    """Stop at the end of a step, as workers do.

    An exception within the Python code that GDAL's binding runs can become another one, and the
    file at hand would be called unusable.
    """
    global _end_step
    with Interruption() as interruption:
        _end_step = interruption.end_step
        try:
            for task in tasks:
                yield function(task)
                interruption.end_step()
        finally:
            _end_step = None


def _in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[Result]:
    # A fresh interpreter per worker: forking a process with GDAL's or torch's threads is unsafe.
    context = multiprocessing.get_context("spawn")
    stop, signals = context.Event(), _Signals()
    with handled(signals, signal.SIGINT, signal.SIGTERM):
        pool = ProcessPoolExecutor(workers, context, _start_worker, (stop,))
        try:
            futures = [pool.submit(function, task) for task in tasks]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise DnasError(
                "a worker process died; perhaps the memory is too small for all of them.",
                "Run the same command again, with fewer workers, to resume.",
            ) from error
        finally:
            signals.closing = True  # after an error or Ctrl-C, tasks end at their next step
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if signals.came:
            raise KeyboardInterrupt


class _Signals:
    """Handles signals while a pool exists: the first one interrupts, others kill the workers.

    A KeyboardInterrupt before or while the pool shuts down would leave it at work.
    """

    def __init__(self) -> None:
        self.came = self.closing = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not (self.came or self.closing):
            self.came = True
            raise KeyboardInterrupt
        self.came = True
        for process in multiprocessing.active_children():
            process.kill()


def _start_worker(stop: Event) -> None:
    global _end_step
    _end_step = partial(_stop_if, stop)
    # Ctrl-C reaches every process of a terminal; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _stop_if(stop: Event) -> None:
    if stop.is_set():
        raise Interrupted("stopped.")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
