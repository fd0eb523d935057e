"""The errors a user can meet, each with its documented exit code.

An error carries one message: what is wrong, with which file, and what to do. It is raised where the
fact is known and printed once, by the command line.
"""

from collections.abc import Sequence

from dnas_cli.shown_text import shown


class DnasError(Exception):
    """Something went wrong that no more specific kind covers.

    Args:
        what: One sentence that says what is wrong and names the file.
        remedy: What to do about it; printed on a line of its own.
        details: More lines between the two, such as a list of files.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(what, remedy, tuple(details))
        self.what = what
        self.remedy = remedy
        self.details = tuple(details)

    def __str__(self) -> str:
        """Return the message: a name in it may hold anything, but never begins a line."""
        lines = [shown(self.what), *(f"  {shown(line)}" for line in self.details)]
        return "\n".join([*lines, shown(self.remedy)] if self.remedy else lines)


class UsageError(DnasError):
    """The command was called with values that cannot work."""

    exit_code = 2


class RunStateError(DnasError):
    """What exists is in the way: locked, other settings, an output that is already there."""

    exit_code = 3


class DataError(DnasError):
    """An input file is missing, damaged or not what it should be."""

    exit_code = 4


class OtherShardsMissing(DnasError):
    """A shard of some work is done; the result follows with the last one."""

    exit_code = 0


class Interrupted(DnasError):
    """The user stopped the work; the state is saved."""

    exit_code = 130


MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What building a value from plain data of an untrusted file can raise."""


def brief(error: BaseException) -> str:
    """Return what an exception says in one line that fits into a message."""
    lines = str(error).split("\n", 1)
    text = lines[0].strip().rstrip(".") or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
