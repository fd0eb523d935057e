"""`dnas predict`: scenes to maps."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from dnas_cli.commands.options import (
    AllowExternal,
    AsJson,
    Device,
    LabelsAsIs,
    MaxUnknown,
    Overwrite,
    Quiet,
    Verbose,
)
from dnas_cli.errors import DnasError, UsageError


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model (model.pt or .onnx).")],
    scenes: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE...",
            help="Rasters, folders, patterns, lists (.txt); /vsi... and s3:// names as well.",
            show_default=False,
        ),
    ],
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
    bands: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Bands in the model's order: nir,red,green or 4,3,2."),
    ] = None,
    nodata: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="Value without data, or none.  [default: the file's]"),
    ] = None,
    scaled: Annotated[
        bool, typer.Option("--scaled", help="Apply the file's scale and offset.")
    ] = False,
    window: Annotated[
        int | None,
        typer.Option(metavar="PX", min=1, help="Window size.  [default: the model's tile size]"),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(metavar="PX", min=0, help="Window overlap.  [default: a quarter window]"),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Windows at a time.  [default: 1, on a GPU 8]"),
    ] = None,
    tta: Annotated[
        Literal["flips", "d4"] | None,
        typer.Option(help="Average over 4 mirrored views, or 8 with turns."),
    ] = None,
    probabilities: Annotated[
        str | None, typer.Option(metavar="TIF", help="Write all class probabilities as well.")
    ] = None,
    confidence: Annotated[
        str | None, typer.Option(metavar="TIF", help="Write the chosen class's probability.")
    ] = None,
    overlay: Annotated[
        str | None, typer.Option(metavar="PNG", help="Write a preview over the scene.")
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Compare the map with a label of the scene."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|YAML",
            help="How --truth is written.  [default: as the labels the model was trained on]",
        ),
    ] = None,
    max_unknown: MaxUnknown = 0.05,
    labels_as_is: LabelsAsIs = False,
    values: Annotated[
        Literal["indices", "labels"],
        typer.Option(help="Values of the map: class indices, or those of the labels."),
    ] = "indices",
    map_nodata: Annotated[
        int | None,
        typer.Option(
            metavar="VALUE",
            min=0,
            max=255,
            help="Map value of pixels without data.  [default: 255, or what is free]",
        ),
    ] = None,
    min_area: Annotated[
        float, typer.Option(metavar="M2", min=0, help="Leave out smaller polygons.")
    ] = 0.0,
    simplify: Annotated[
        str, typer.Option(metavar="DIST", help="Simplify polygons: 10m, or in CRS units.")
    ] = "0",
    clip: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Map only inside these polygons.", show_default=False),
    ] = None,
    engine: Annotated[
        Literal["torch", "onnx"] | None,
        typer.Option(
            help="onnx: ONNX Runtime, on the CPU.  [default: torch; of an .onnx file onnx]",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Map scenes of any size with a trained model.

    The map has the scene's size, CRS and transform; pixels without data are 255, or as
    --map-nodata says. Interrupted, the same command goes on. Of many scenes, finished ones are
    skipped.

    Example: dnas predict run/model.pt scene.tif --out map.tif --out map.gpkg
    """
    from dnas_cli import api
    from dnas_cli.report.evaluation_table import print_comparison
    from dnas_cli.report.map_text import map_text

    results = api.predict_scenes(
        model,
        scenes,
        out,
        bands=_split(bands),
        nodata=_nodata(nodata),
        scaled=scaled,
        window=window,
        overlap=overlap,
        batch=batch,
        views=tta or "plain",
        probabilities=probabilities,
        confidence=confidence,
        overlay=overlay,
        truth=truth,
        dataset=dataset,
        max_unknown=max_unknown,
        labels_as_is=labels_as_is,
        values=values,
        map_nodata=map_nodata,
        min_area=min_area,
        simplify=simplify,
        overwrite=overwrite,
        clip=clip,
        engine=engine,
        device=device,
    )
    if as_json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    else:
        print(map_text(results))
        if results[0].truth is not None and results[0].truth.matrix.pixels:
            print()
            print_comparison(results[0].truth)
    failed = [result for result in results if result.status == "failed"]
    if failed:
        raise DnasError(
            f"{len(failed)} of {len(results)} scenes failed:",
            "Mend or leave out these; run the same command again for the rest.",
            [str(result.error) for result in failed],
        )


def _split(bands: str | None) -> tuple[str, ...]:
    if bands is None:
        return ()
    names = tuple(name.strip() for name in bands.split(","))
    if not all(names):
        raise UsageError(f"bands={bands}: a name is empty.", "Write bands=4,3,2 for example.")
    return names


def _nodata(text: str | None) -> float | Literal["none"] | None:
    if text is None:
        return None
    if text.lower() == "none":
        return "none"
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"nodata={text}: is neither a number nor none.") from error
