"""Text from files and names as a person may see it: nothing in it steers a terminal or a table."""

import re

# What has a meaning in Markdown; `_` has none within a word.
_MARKUP = re.compile(r"[\\`*{}\[\]<>()#|~$&!]|(?<![^\W_])_|_(?![^\W_])")


def shown(text: object) -> str:
    """Return a text with its unprintable characters escaped, line ends among them.

    >>> shown("a\\x1b[31m.tif")
    'a\\\\x1b[31m.tif'
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in plain)


def cell(text: str) -> str:
    """Return a text for a cell of a table that spreadsheets open; none of it is a formula."""
    plain = shown(text)
    return f"'{plain}" if plain.lstrip()[:1] in ("=", "+", "-", "@") else plain


def markdown(text: str) -> str:
    """Return a text as Markdown that shows it as it is: no link, no table, no HTML."""
    return _MARKUP.sub(lambda found: "\\" + found[0], shown(text))
