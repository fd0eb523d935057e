"""What a file of tensors would become, found out before anything of it is rebuilt.

Such a file is a small program that builds lists, dictionaries and tensors. It can name one list a
thousand times in another and that one a thousand times in the next, so that nobody can walk through
it, or a tensor that repeats one number a billion times. The program is followed here without doing
what it says; a result that were too large, too deep or a circle is refused.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from dnas_cli.errors import brief

_MOST_INSTRUCTIONS = 2_000_000  # the largest supernet's checkpoint has some 300,000
_LARGEST = 5_000_000  # values, each counted as often as it is named; text by its length
_DEEPEST = 100
_TEXT = 8  # characters that count as one value
_PICKLES = 5  # of a file older than PyTorch 1.6: magic number, version, system, content, keys


class _Value:
    """A value that would be built: what it holds, and the number if it is one.

    Its size and depth as a tree are 0 until they are found out.
    """

    __slots__ = ("depth", "holds", "number", "size", "weight")

    def __init__(self, holds: "list[_Value]", number: int | None, weight: int) -> None:
        self.holds = holds
        self.number = number
        self.weight = weight
        self.size = self.depth = 0


class _UnboundedError(Exception):
    """The result would be too large."""


def find_excess(path: Path) -> str:
    """Return what is wrong with the size of what a file would become; nothing if all is well.

    Args:
        path: An archive of `torch.save`, or a file of before PyTorch 1.6. What is no such file, or
            asks for more than tensors and plain data, is for the reader to refuse.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return _of_archive(path, size)
            file.seek(0)
            for _ in range(_PICKLES):
                _follow(file, size)
    except _UnboundedError as error:
        return str(error)
    except Exception:  # no pickle, or a damaged one
        return ""
    return ""


def _of_archive(path: Path, size: int) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                return "it is compressed"
            names = [part.filename for part in parts]
            programs = [name for name in names if name.endswith("data.pkl")]
            if len(names) != len(set(names)) or len(programs) > 1:
                return "a part of it is there twice"
            for name in programs:
                with archive.open(name) as program:
                    _follow(io.BufferedReader(program), size)  # type: ignore[type-var]
    except zipfile.BadZipFile as error:
        return f"it is damaged ({brief(error)})"
    return ""


def _follow(file: IO[bytes], size: int) -> None:
    """Follow one program and judge what it would build.

    Raises:
        _UnboundedError: It would be too large.
    """
    machine = _Machine(size)
    for number, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if number == _MOST_INSTRUCTIONS:
            raise _UnboundedError("it has too many parts")
        if not machine.step(instruction.name, argument):
            break
    _judge(machine.all)


class _Machine:
    """Follows the instructions that a reader of plain data and tensors takes; stops at others."""

    def __init__(self, size: int) -> None:
        self.all: list[_Value] = []
        self._size = size
        self._elements = 0
        self._stack: list[_Value] = []
        self._marks: list[int] = []
        self._memory: dict[int, _Value] = {}

    def step(self, name: str, argument: Any) -> bool:
        """Follow an instruction; false where the reader would go no further."""
        stack = self._stack
        if name in _FROM_MARK:
            items = self._since_mark()
            if name != "TUPLE":
                stack[-1].holds += items
            else:
                self._push(items)
        elif name in _FROM_TOP:
            count, keeps = _FROM_TOP[name]
            items = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            if keeps:
                stack[-1].holds += items
            else:
                self._push(items)
                if name in ("REDUCE", "BINPERSID"):
                    self._count_elements(items[-1])
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memory[argument])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memory[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memory[len(self._memory)] = stack[-1]
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name in _NEW or isinstance(argument, int | float | str | bytes):
            self._push([], argument)
        else:
            return name in ("PROTO", "FRAME")
        return True

    def _push(self, holds: list[_Value], argument: Any = None) -> None:
        number = argument if isinstance(argument, int) else None
        weight = 1 + len(argument) // _TEXT if isinstance(argument, str | bytes) else 1
        value = _Value(holds, number, weight)
        self._stack.append(value)
        self.all.append(value)

    def _since_mark(self) -> list[_Value]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _count_elements(self, given: _Value) -> None:
        """Count what a call or a storage asks for; a file has at least a byte for each element.

        A tensor is rebuilt from (storage, offset, shape, stride, ...).
        """
        if any((item.number or 0) > self._size for item in given.holds):
            raise _UnboundedError("a part is larger than the file")
        shape = [item.number or 0 for item in given.holds[2].holds] if len(given.holds) > 3 else []
        if shape:
            self._elements += math.prod(shape)
        if self._elements > self._size:
            raise _UnboundedError("its tensors are larger than the file")


# Instructions that take what is above a mark, and those that take so many values from the stack
# and either leave them in the one below or build a new one of them.
_FROM_MARK = frozenset(("APPENDS", "SETITEMS", "ADDITEMS", "TUPLE"))
_FROM_TOP = {
    "APPEND": (1, True), "SETITEM": (2, True), "BUILD": (1, True),
    "TUPLE1": (1, False), "TUPLE2": (2, False), "TUPLE3": (3, False),
    "REDUCE": (2, False), "NEWOBJ": (2, False), "BINPERSID": (1, False),
}  # fmt: skip
_NEW = frozenset(
    ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE", "NONE", "NEWTRUE", "NEWFALSE")
)


def _judge(values: list[_Value]) -> None:
    """Find the size of every value as a tree, and its depth, from the leaves up.

    Raises:
        _UnboundedError: One is too large or too deep, or holds itself.
    """
    for start in values:
        for value in _leaves_first(start):
            value.size, value.depth = value.weight, 1
            for item in value.holds:
                value.size += item.size
                value.depth = max(value.depth, 1 + item.depth)
            if value.size > _LARGEST:
                raise _UnboundedError("its parts repeat each other too often")
            if value.depth > _DEEPEST:
                raise _UnboundedError("it is nested too deeply")


def _leaves_first(start: _Value) -> Iterator[_Value]:
    """Yield a value and all it holds of unknown size, each after what it holds."""
    waiting: list[tuple[_Value, bool]] = [(start, False)]
    open_now: set[int] = set()
    while waiting:
        value, done = waiting.pop()
        if done:
            open_now.discard(id(value))
            yield value
        elif id(value) in open_now:
            raise _UnboundedError("a part holds itself")
        elif not value.size:
            if value.holds:
                open_now.add(id(value))
                waiting.append((value, True))
                waiting += [(item, False) for item in value.holds if not item.size]
            else:
                yield value
