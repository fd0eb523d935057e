"""Standard streams that are full or closed: one message, and no work lost for a log line."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from dnas_cli.shown_text import shown


@contextmanager
def named_standard_output() -> Iterator[None]:
    """Let errors of standard output carry its name, as errors of files carry theirs.

    Output of the block is written when it ends. Output to a stream that the caller closed (`>&-`)
    is dropped.

    Raises:
        OSError: Standard output cannot be written: a full disk or a closed pipe.
    """
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    before = sys.stdout
    sys.stdout = cast(TextIO, _Named(before))
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            sys.stdout = before


def print_lines(*lines: object) -> None:
    """Print lines for a person to standard output: no name in them begins a line of its own."""
    print("\n".join(map(shown, lines)), flush=True)


def print_json(content: object) -> None:
    """Print plain data to standard output, for programs; names are escaped and stay exact."""
    print(json.dumps(content, indent=2, allow_nan=False))


def print_paths(*paths: object) -> None:
    """Print paths to standard output: as they are for a program that reads them from a pipe."""
    if sys.stdout.isatty():
        print_lines(*paths)
    else:
        print("\n".join(map(str, paths)))


def write_no_more(stream: TextIO) -> None:
    """Drop what a stream still holds; else Python would retry at exit and print an error."""
    with suppress(OSError, ValueError):  # the stream of a test has no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Named:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if text == "":  # click probes streams this way, and hides errors
            return 0
        with self._failing():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._failing():
            self._stream.flush()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = "standard output"
            write_no_more(self._stream)
            raise
