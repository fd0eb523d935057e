"""Tables for a person: as wide as the terminal, 80 columns where there is none."""

import io
import sys
from collections.abc import Sequence
from typing import IO, Any

from rich import box
from rich.console import Console
from rich.table import Table

from dnas_cli.shown_text import shown

_WIDTH = 80

Cell = str | Sequence[str]
"""A line, or several."""


class TextTable(Table):
    """A table whose cells are text: nothing in them steers a terminal."""

    def add_row(self, *cells: Any, **how: Any) -> None:
        """Add a row of cells, each a line or several."""
        super().add_row(*map(_lines, cells), **how)


def _lines(cell: Cell) -> str:
    return "\n".join(map(shown, (cell,) if isinstance(cell, str) else cell))


def table(first: str, *others: Cell) -> TextTable:
    """Return an empty table; what does not fit is wrapped, in the first column last."""
    made = TextTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    made.add_column(_lines(first), overflow="fold")
    for name in others:
        made.add_column(_lines(name), justify="right")
    return made


def print_parts(*parts: Table | str) -> None:
    """Print tables and lines to standard output, a blank line before every table but the first."""
    console = _console(sys.stdout)
    for number, part in enumerate(parts):
        if isinstance(part, Table) and number:
            console.print()
        if isinstance(part, str):
            console.print(shown(part), soft_wrap=True)
        else:
            console.print(part)


def lines_of(made: Table, indent: int = 0) -> list[str]:
    """Return a table as lines of plain text, which leave room to indent them."""
    text = io.StringIO()
    console = _console(text)
    console.print(made, width=console.width - indent)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _console(file: IO[str]) -> Console:
    """Return a console that takes names as they are: brackets are no markup here."""
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(file=file, markup=False, emoji=False, highlight=False, width=width)
