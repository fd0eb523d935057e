"""How training executes a network, as a choice; `executor.py` says what each does."""

from typing import Literal

ExecutionMode = Literal["plain", "fast", "low"]
ExecutionChoice = Literal["auto", "plain", "fast", "low"]
