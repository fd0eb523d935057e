"""Times of a network's parts as text for the terminal."""

from typing import TYPE_CHECKING

from dnas_cli.report.tables import lines_of, table
from dnas_cli.space.lattice import SCALES
from dnas_cli.space.operators import OPERATORS

if TYPE_CHECKING:
    from dnas_cli.stages.measure import Times

_MILLISECONDS = 1e6  # nanoseconds


def times_text(times: "Times") -> list[str]:
    """Return the milliseconds of every operator at each scale, and of stem and head."""
    scales = [str(scale) for scale in range(SCALES)]
    made = table(f"ms on {times.device}, tile of {times.size} px", *(f"scale {k}" for k in scales))
    for number, name in enumerate(OPERATORS):
        same = [times.edges[f"{scale}>{scale}"][number] for scale in scales]
        made.add_row(name, *(f"{value / _MILLISECONDS:.3f}" for value in same))
    ends = [times.heads[scale] for scale in scales]
    made.add_row("stem and head", *(f"{value / _MILLISECONDS:.3f}" for value in ends))
    return lines_of(made)
