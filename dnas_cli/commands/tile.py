"""`dnas tile`: from scenes and labels to a tile set."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import (
    AllowExternal,
    AsJson,
    LabelsAsIs,
    MaxUnknown,
    Overwrite,
    Quiet,
    Verbose,
)
from dnas_cli.tiles.lists import SplitBy


def tile(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder with scenes and labels, or tiles.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The tile set.  [default: SOURCE-tiles]")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|YAML",
            help="gid5, gid15, fbp or a description of your own.  [default: by the folders]",
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Height and width of a tile, in pixels.")] = 512,
    split_by: Annotated[
        SplitBy, typer.Option(help="What is never divided among splits.")
    ] = "scene",
    split: Annotated[str, typer.Option(help="Parts of train, val and test.")] = "6:2:2",
    seed: Annotated[int, typer.Option(help="Another one gives another split.")] = 0,
    train_scenes: Annotated[
        str | None, typer.Option(metavar="A,B|@FILE", help="Scenes that are for training.")
    ] = None,
    val_scenes: Annotated[
        str | None, typer.Option(metavar="A,B|@FILE", help="Scenes that are for validation.")
    ] = None,
    test_scenes: Annotated[
        str | None, typer.Option(metavar="A,B|@FILE", help="Scenes that are for testing.")
    ] = None,
    from_lists: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Take over tiles that are cut already, by their lists; repeat it for files.",
        ),
    ] = None,
    max_unknown: MaxUnknown = 0.05,
    labels_as_is: LabelsAsIs = False,
    keep_empty: Annotated[
        bool, typer.Option("--keep-empty", help="Keep tiles without any label.")
    ] = False,
    allow_overlap: Annotated[
        bool,
        typer.Option(
            "--allow-overlap", help="Let scenes that overlap on the ground be in several splits."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Skip nothing: problems end it.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes.  [default: one per processor]")
    ] = None,
    overwrite: Overwrite = False,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Cut scenes and labels into a tile set, split by scene.

    Tiles of SIZE x SIZE pixels, named `<scene>_<row>_<column>`; the last row and column are shifted
    back to end at the border. Scenes not named for a split are divided among the splits without
    names. Interrupted, the same command goes on. docs/datasets.md says how to describe a folder.
    """
    import json

    from dnas_cli import api
    from dnas_cli.report.tile_set_table import result_text
    from dnas_cli.tiles.settings import parse_ratio, parse_scenes

    named = {"train": train_scenes, "val": val_scenes, "test": test_scenes}
    scenes = {name: parse_scenes(text, f"{name}_scenes={text}") for name, text in named.items()}
    result = api.tile(
        source,
        out,
        dataset=dataset,
        size=size,
        split_by=split_by,
        split=parse_ratio(split),
        seed=seed,
        named_scenes={name: given for name, given in scenes.items() if given is not None},
        from_lists=from_lists or (),
        max_unknown=max_unknown,
        labels_as_is=labels_as_is,
        keep_empty=keep_empty,
        allow_overlap=allow_overlap,
        strict=strict,
        workers=workers,
        overwrite=overwrite,
    )
    print(json.dumps(result.to_json(), indent=2) if as_json else result_text(result))
