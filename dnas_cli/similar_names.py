"""Similar names for a mistyped command or option."""

import difflib
from collections.abc import Collection
from typing import Any

_MOST = 3
_COMMANDS = {"help": "--help", "train": "retrain", "test": "eval", "map": "predict", "cut": "tile"}


def add_similar_names(error: Any) -> None:
    """Add similar names for an unknown command or option to an error of the parser.

    Args:
        error: A usage error of typer's parser; others do not change.
    """
    command = getattr(getattr(error, "ctx", None), "command", None)
    if command is None:
        return
    if hasattr(error, "possibilities"):  # an unknown option
        options = [name for item in command.params for name in item.opts if name[:2] == "--"]
        error.possibilities = None  # of the parser: names that look alike, and nothing else
        near = neighbours(error.option_name.lstrip("-"), [name[2:] for name in options])
        near = [f"--{name}" for name in near]
    elif error.message.startswith("No such command"):
        typed = error.message.split("'")[1]
        near = [_COMMANDS[typed]] if typed in _COMMANDS else neighbours(typed, command.commands)
        near = [f"dnas {name}" for name in near]
    else:
        return
    if near:
        error.message = f"{error.message.rstrip('.')}. Did you mean {' or '.join(near)}?"


def neighbours(typed: str, known: Collection[str]) -> list[str]:
    """Return the known names that a typed one may mean, the nearest first.

    These are names with these initials (`lr` for `learning-rate`), names that contain it as a word
    or start with it (`rate`, `learn`), and similar names.
    """
    initials = [name for name in known if "".join(word[:1] for word in name.split("-")) == typed]
    words = [
        name
        for name in known
        if len(typed) > 2 and any(word.startswith(typed) for word in [name, *name.split("-")])
    ]
    alike = difflib.get_close_matches(typed, known, n=_MOST, cutoff=0.6)
    return list(dict.fromkeys([*initials, *words, *alike]))[:_MOST]
