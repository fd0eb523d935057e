"""`dnas tile`: from scenes and labels to a tile set."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AllowExternal, AsJson
from dnas_cli.shard import shard_of_job_array
from dnas_cli.standard_streams import print_json, print_lines, print_paths
from dnas_cli.tiles.tile_options import TileOptions


@options_from(options=TileOptions)
def tile(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder with scenes and labels, or tiles.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The tile set.  [default: SOURCE-tiles]")
    ] = None,
    *,
    options: TileOptions,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Cut nothing: draw scenes with labels, to --out FILE.png."),
    ] = False,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
) -> None:
    """Cut scenes and labels into a tile set, split by scene.

    Tiles of SIZE x SIZE pixels, named `<scene>_<row>_<column>`; the last row and column are shifted
    back to end at the border. Scenes not named for a split are divided among the splits without
    names. Interrupted, the same command resumes. docs/datasets.md says how to describe a folder.
    """
    from dnas_cli import api
    from dnas_cli.report.tile_set_table import result_text

    if preview:
        picture = api.preview(source, out, **options)
        if as_json:
            print_json({"preview": str(picture)})
        else:
            print_paths(picture)
        return
    options["shard"] = options.get("shard") or shard_of_job_array()
    result = api.tile(source, out, **options)
    if as_json:
        print_json(result.to_json())
    else:
        print_lines(*result_text(result))
