"""Text from files and names as a person may see it: nothing in it steers a terminal or a table."""


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
