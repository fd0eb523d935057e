"""`dnas change`: what changed between two maps."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AsJson
from dnas_cli.mapping.change_options import ChangeOptions
from dnas_cli.standard_streams import print_json, print_lines


@options_from(options=ChangeOptions)
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
    *,
    options: ChangeOptions,
    as_json: AsJson = False,
) -> None:
    """Compare two maps of one place.

    Two maps compared overstate change: an error of either counts as change.

    Example: dnas change 2010.tif 2018.tif --out change.tif --table change.csv
    """
    from dnas_cli import api
    from dnas_cli.report.change_text import change_text

    found = api.change(old, new, out, **vars(options))
    if as_json:
        print_json(found.to_json())
    else:
        print_lines(*change_text(found))
