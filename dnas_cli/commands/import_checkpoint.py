"""`dnas import`: codings, models and searches of the first release."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import AsJson, Overwrite
from dnas_cli.standard_streams import print_json, print_paths


def import_checkpoint(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="third_connect.npy cell_operations.npy [CHECKPOINT]; or the CHECKPOINT of a "
            "search, with --run.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="model.pt, or architecture.json without a checkpoint."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|YAML|TILES",
            help="What the model was trained on: gid5, gid15, fbp, a YAML file or a tile set.",
        ),
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Data type of the bands, unless --dataset is a tile set.")
    ] = "uint8",
    tile_size: Annotated[
        int, typer.Option(min=1, help="Size of the training tiles, unless --dataset is a tile set.")
    ] = 512,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Import a search into this run.")
    ] = None,
    stage: Annotated[
        int | None, typer.Option(help="The stage of the search. [default: the file's]")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="TILES", help="Tile set of a new run.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Import a model, coding or search of the first release.

    Three files make a model, two an architecture for `dnas retrain RUN --architecture`. A search
    goes into a run, for decoding there. No code in a checkpoint ever runs.
    """
    from dnas_cli import api
    from dnas_cli.errors import UsageError

    if run is not None:
        if len(files) != 1 or out is not None or dataset is not None:
            raise UsageError(
                "run=...: takes the one checkpoint of a search, and no out=... or dataset=....",
                "dnas import CHECKPOINT --run RUN [--data TILES]",
            )
        result, number = api.import_search(
            files[0], run, stage=stage, data=data, overwrite=overwrite
        )
        facts: dict[str, object] = {
            "run": str(result.root),
            "stage": number,
            "next": result.next_command(),
        }
        _print(facts, result.root, as_json)
        return
    if stage is not None or data is not None:
        raise UsageError("stage=... and data=... are for a search, which needs run=RUN.")
    if len(files) not in (2, 3) or out is None:
        raise UsageError(
            "An import takes two .npy files of a coding, for a model a checkpoint, and out=PATH.",
            "dnas import third_connect.npy cell_operations.npy [CHECKPOINT] --out PATH",
        )
    if len(files) == 2:
        coding = api.import_architecture(files, out, overwrite=overwrite)
        dropped = [item.key for item in coding.dropped]
        facts = {"architecture": str(out), "layers": coding.graph.layers, "dropped": dropped}
        _print(facts, out, as_json)
        return
    if dataset is None:
        raise UsageError(
            "A model needs dataset=...: a checkpoint does not hold its classes, bands and "
            "normalisation.",
            "Give gid5, gid15, fbp, a YAML file or a tile set.",
        )
    model = api.import_model(
        files, out, dataset=dataset, dtype=dtype, tile_size=tile_size, overwrite=overwrite
    )
    facts = {
        "model": str(out),
        "layers": model.architecture.graph.layers,
        "width": model.facts.width,
        "bands": list(model.facts.bands),
        "classes": [item.name for item in model.facts.classes],
        "provenance": model.facts.provenance,
    }
    _print(facts, out, as_json)


def _print(facts: dict[str, object], path: Path, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print_paths(path)
