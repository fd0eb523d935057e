"""`dnas predict`: scenes to maps."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AllowExternal, AsJson, ScenesArgument, Threads
from dnas_cli.errors import DnasError
from dnas_cli.mapping.map_options import MapOptions
from dnas_cli.shard import shard_of_job_array
from dnas_cli.standard_streams import print_json, print_lines


@options_from(options=MapOptions)
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model (model.pt or .onnx).")],
    scenes: ScenesArgument,
    out: Annotated[
        list[str],
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="Map: .tif, .png, .gpkg or .geojson; a folder; or 'maps/{name}.png'. Repeatable.",
            show_default=False,
        ),
    ],
    *,
    options: MapOptions,
    threads: Threads = 0,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
) -> None:
    """Map scenes of any size with a trained model.

    The map has the scene's size, CRS and transform; pixels without data are 255, or the
    value of --map-nodata. Interrupted, the same command resumes. Of many scenes, finished ones are
    skipped.

    Example: dnas predict run/model.pt scene.tif --out map.tif --out map.gpkg
    """
    from dnas_cli import api
    from dnas_cli.report.evaluation_table import print_comparison
    from dnas_cli.report.map_text import map_text

    options["shard"] = options.get("shard") or shard_of_job_array()
    results = api.predict_scenes(model, scenes, out, **options)
    if as_json:
        print_json([result.to_json() for result in results])
    else:
        if results:
            print_lines(*map_text(results))
        if results and results[0].truth is not None and results[0].truth.matrix.pixels:
            print_lines("")
            print_comparison(results[0].truth)
    failed = [result for result in results if result.status == "failed"]
    if failed:
        raise DnasError(
            f"{len(failed)} of {len(results)} scenes failed:",
            "Repair or leave out these scenes, and run the same command again.",
            [str(result.error) for result in failed],
        )
