"""The execution modes of training; see `executor.py`."""

from typing import Literal

ExecutionMode = Literal["plain", "fast", "low"]
ExecutionChoice = Literal["auto", "plain", "fast", "low"]
