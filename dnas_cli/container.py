"""What this process may use of the machine: containers and jobs are given less than there is."""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


_limit: list[int] = []


def limit_threads(count: int) -> None:
    """Let this process use so many threads, whatever the machine has; 0 for no limit."""
    _limit[:] = [count] if count else []


def limited_threads() -> int | None:
    """Return the number of threads that was set; None without one."""
    return _limit[0] if _limit else None


def usable_processors() -> int:
    """Return how many processors this process may keep busy: by its affinity and its quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return min([count, *_quotas()])


def peak_memory() -> int:
    """Return the most bytes of memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_left() -> int | None:
    """Return the bytes left of the memory that this container was given; None without a limit."""
    with suppress(OSError, ValueError):  # not Linux; or `max`, which is no limit
        limit = int((_GROUPS / "memory.max").read_text())
        return limit - int((_GROUPS / "memory.current").read_text())
    return None


def _quotas() -> Iterator[int]:
    """Yield the processors that control groups, of either version, grant; rounded, at least 1."""
    with suppress(OSError, ValueError):
        quota, period = map(int, (_GROUPS / "cpu.max").read_text().split())
        yield max(1, round(quota / period))
    with suppress(OSError, ValueError):
        quota = int((_GROUPS / "cpu/cpu.cfs_quota_us").read_text())
        period = int((_GROUPS / "cpu/cpu.cfs_period_us").read_text())
        if quota > 0:
            yield max(1, round(quota / period))
