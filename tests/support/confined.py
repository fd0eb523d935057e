"""Processes that end when they open a socket of the Internet, or a file of a strange folder."""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Sequence
from typing import Any

# The number of the call `socket`, and the name of the architecture, by the machine.
_CALLS = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06
_END, _ALLOW = 0x80000000, 0x7FFF0000
READS_ELSEWHERE = 99


def can_refuse_sockets() -> bool:
    """Return whether this system filters calls."""
    return sys.platform == "linux" and platform.machine() in _CALLS


def confine(readable: Sequence[str], sockets: bool) -> None:
    """Let this process read below some folders alone, and open no socket of the Internet.

    Files are those that Python opens. Sockets are those of libraries as well, and of processes that
    it starts: the system ends whoever asks for one (SIGSYS).
    """

    def look(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[0], str | bytes):
            path = os.path.abspath(os.fsdecode(given[0]))  # noqa: PTH100
            if not path.startswith(tuple(readable)):
                os.write(2, f"reads {path}\n".encode())
                os._exit(READS_ELSEWHERE)

    if not sockets:
        _refuse_sockets()
    sys.addaudithook(look)


def _refuse_sockets() -> None:
    number, architecture = _CALLS[platform.machine()]
    steps = [  # of a filter: operation, steps to skip if equal or not, value
        (_LOAD, 0, 0, 4), (_EQUALS, 0, 5, architecture),
        (_LOAD, 0, 0, 0), (_EQUALS, 0, 3, number),
        (_LOAD, 0, 0, 16), (_EQUALS, 2, 0, 2), (_EQUALS, 1, 0, 10),  # AF_INET, AF_INET6
        (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _END),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    )
    library = ctypes.CDLL(None, use_errno=True)
    assert library.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    assert library.prctl(22, 2, program, 0, 0) == 0, "this system refuses filters"
