"""The results of mapped scenes as text."""

import math
from collections.abc import Sequence

from dnas_cli.mapping.scene_result import SceneResult
from dnas_cli.report.tables import lines_of, table


def map_text(results: Sequence[SceneResult]) -> list[str]:
    """Return a table of many scenes; of a single one that is done, the share of each class."""
    if len(results) > 1:
        made = table("scene", "status", "maps")
        for result in results:
            made.add_row(result.scene, result.status, [*map(str, result.outputs)])
        return lines_of(made)
    (result,) = results
    line = f"{result.scene} -> {', '.join(map(str, result.outputs))}"
    if result.status != "done":
        return [f"{result.status}: {line}"]
    has_area = any(item.area_km2 is not None for item in result.classes)
    made = table("class", "share", *(["area in km2"] if has_area else []))
    for item in result.classes:
        area = [_significant(item.area_km2)] if item.area_km2 is not None else []
        made.add_row(item.name, f"{item.share:.2%}", *area)
    return [line, "", *lines_of(made), f"no data: {result.pixels_without_data} px"]


def _significant(area: float) -> str:
    """Return a number with four digits that say something: 0.2055, 0.0001234, 12.34, 12,345."""
    digits = 3 - math.floor(math.log10(area)) if area > 0 else 3
    return f"{area:,.{max(0, digits)}f}"
