"""`dnas change`: what changed between two maps."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import AsJson, Overwrite


def change(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The earlier map (GeoTIFF).")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later map, on the same grid.")],
    out: Annotated[
        list[Path],
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="Transitions: .tif, .gpkg or .geojson. Repeatable.",
            show_default=False,
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Write the transitions as a table.", show_default=False),
    ] = None,
    old_confidence: Annotated[
        Path | None,
        typer.Option(metavar="TIF", help="Confidence of the earlier map.", show_default=False),
    ] = None,
    new_confidence: Annotated[
        Path | None,
        typer.Option(metavar="TIF", help="Confidence of the later map.", show_default=False),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(help="Leave out pixels that are less sure in either.")
    ] = 0.5,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare two maps of one place.

    Two maps compared overstate change: an error of either counts as change.

    Example: dnas change 2010.tif 2018.tif --out change.tif --table change.csv
    """
    from dnas_cli.mapping.change import ChangeRequest, find_change
    from dnas_cli.report.change_text import change_text

    request = ChangeRequest(
        old, new, tuple(out), table, old_confidence, new_confidence, min_confidence
    )
    found = find_change(request, overwrite)
    print(json.dumps(found.to_json(), indent=2) if as_json else change_text(found))
