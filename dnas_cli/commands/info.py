"""`dnas info`: the facts of a file or folder."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import AllowExternal, AsJson
from dnas_cli.standard_streams import print_json, print_lines, print_paths


def info(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="A raster, tile set, run, coding or model file.")
    ],
    svg: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw a coding, model or run: .svg or .png."),
    ] = None,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
) -> None:
    """Show the kind and the facts of a file or folder.

    It knows rasters, tile sets, runs, codings, models and checkpoints. For a raster it shows size,
    bands, values, georeference and storage; /vsi... and s3:// names also work.
    """
    from dnas_cli import api
    from dnas_cli.report.known_files import file_text

    if svg is not None:
        from dnas_cli.report.coding_drawing import read_drawable, write_coding_drawing

        write_coding_drawing(read_drawable(Path(path)), svg, Path(path).name)
        print_paths(svg)
        return

    known = api.info(path)
    if as_json:
        print_json(known.to_json())
    else:
        print_lines(*file_text(known))
