"""`dnas export`: a model for other programs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AsJson, Overwrite
from dnas_cli.export.export_request import ExportRequest
from dnas_cli.standard_streams import print_json, print_lines


@options_from(request=ExportRequest)
def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file (model.pt).")],
    *,
    request: ExportRequest,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX, .pt2, card or STAC Item.

    An ONNX file is compared with the model on images of several sizes and written only where both
    agree.

    Example: dnas export run/model.pt --onnx model.onnx
    """
    from dnas_cli import api

    exported = api.export_model(model, overwrite=overwrite, **vars(request))
    found = exported.agreement
    if as_json:
        result = {
            "files": [str(path) for path in exported.files],
            "agreement": None if found is None else asdict(found),
        }
        print_json(result)
        return
    print_lines(*(f"{model} -> {path}" for path in exported.files))
    if found is not None:
        print_lines(
            f"  same class in {100 * found.same_class:.4f} % of {found.pixels} pixels, "
            f"probabilities within {found.difference:.1g}"
        )
