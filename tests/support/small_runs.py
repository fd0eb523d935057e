"""Runs so small that a stage takes a second, and the commands that make them."""

import time
from pathlib import Path

SIZE = ("--layers", 3, "--width", 4)
HEAD = ("--head", 8)  # with the 256 channels of the paper it takes most of a step at this width
SEARCH = ("--epochs", 2, "--logits-from", 2, "--batch", 4, *HEAD, "--device", "cpu")
RETRAIN = ("--epochs", 2, "--batch", 4, *HEAD, "--device", "cpu")


def first_search(run: Path, tiles: Path, *more: object) -> tuple[object, ...]:
    """Return the command that begins a run and searches its first stage."""
    return ("search", run, "--stage", 1, "--data", tiles, *SIZE, *SEARCH, *more)


def wait_for(path: Path, seconds: float = 60.0) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)
