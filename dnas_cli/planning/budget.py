"""A budget of time as text."""

import re

from dnas_cli.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def budget_seconds(text: str | float) -> float:
    """Return the seconds of a budget: `90s`, `45m`, `8h`, `3d`, `1h30m`, or a number of seconds.

    Raises:
        UsageError: It is not a time.
    """
    if isinstance(text, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
        if parts and "".join(map("".join, parts)) == text:
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        else:
            seconds = 0.0
    else:
        seconds = float(text)
    if not 0 < seconds <= 366 * _UNITS["d"]:
        raise UsageError(f"budget={text}: is not a time.", "Give 45m, 8h, 3d or 1h30m.")
    return seconds
