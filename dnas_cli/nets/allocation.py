"""Keeping freed memory of feature maps in the process."""

import ctypes
import platform
from contextlib import suppress

_TRIM, _MAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)
_KEPT, _LARGEST = 512 << 20, 128 << 20  # bytes


def keep_freed_memory() -> None:
    """Let the allocator keep up to 512 MB of freed memory in this process, in pieces to 128 MB.

    A feature map takes some megabytes, which glibc by default requests from the system at every use
    and returns afterwards; the system then fills every page with zeros. This took a seventh of the
    time of a folded network. Without glibc this function does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    with suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_MAP, _LARGEST)
        set_option(_TRIM, _KEPT)
