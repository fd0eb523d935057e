"""`dnas export`: a model for other programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import AsJson, Overwrite, Quiet, Verbose
from dnas_cli.export.purpose import OnnxPurpose


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file (model.pt).")],
    onnx: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an ONNX file.", show_default=False)
    ] = None,
    purpose: Annotated[
        OnnxPurpose,
        typer.Option("--for", help="any: raw values in; deepness: as the QGIS plugin reads it."),
    ] = OnnxPurpose.any,
    program: Annotated[
        Path | None,
        typer.Option(
            "--torch", metavar="FILE", help="Write a .pt2 of torch.export.", show_default=False
        ),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a model card (Markdown).", show_default=False),
    ] = None,
    stac: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a STAC Item of the model.", show_default=False),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="Licence of the model, such as CC-BY-4.0.")
    ] = "",
    figures: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="Figures for the card.  [default: the run's]"),
    ] = None,
    ground_resolution: Annotated[
        float | None,
        typer.Option("--resolution", metavar="METRES", help="Per pixel. [default: the model's]"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare the ONNX file with the model.")
    ] = True,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a model as ONNX, .pt2, card or STAC Item.

    An ONNX file is compared with the model on images of several sizes and written only where both
    agree.

    Example: dnas export run/model.pt --onnx model.onnx
    """
    from dnas_cli.export.export_model import ExportRequest, export_model

    request = ExportRequest(
        onnx, purpose, check, program, card, stac, ground_resolution, licence, figures
    )
    exported = export_model(model, request, overwrite)
    found = exported.agreement
    if as_json:
        result = {
            "files": [str(path) for path in exported.files],
            "agreement": None if found is None else asdict(found),
        }
        print(json.dumps(result, indent=2))
        return
    print("\n".join(f"{model} -> {path}" for path in exported.files))
    if found is not None:
        print(
            f"  same class in {100 * found.same_class:.4f} % of {found.pixels} pixels, "
            f"probabilities within {found.difference:.1g}"
        )
