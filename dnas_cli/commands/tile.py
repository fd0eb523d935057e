"""`dnas tile`: from scenes and labels to a tile set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dnas_cli.commands.options import AsJson, Overwrite, Quiet, Verbose
from dnas_cli.errors import UsageError
from dnas_cli.tiles.lists import SplitBy

if TYPE_CHECKING:
    from dnas_cli.tiles.result import TileSetResult


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
    max_unknown: Annotated[
        float, typer.Option(help="Largest share of a label in no known colour.")
    ] = 0.05,
    strict: Annotated[
        bool, typer.Option("--strict", help="Skip nothing: problems end it.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes.  [default: one per processor]")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Cut scenes and labels into a tile set, split by scene.

    Tiles of SIZE x SIZE pixels, named `<scene>_<row>_<column>`; the last row and column are shifted
    back to end at the border. Scenes not named for a split are divided among the splits without
    names. Interrupted, the same command goes on. docs/datasets.md says how to describe a folder.
    """
    from dnas_cli.datasets.discovery import find_description
    from dnas_cli.tiles.from_lists import tile_set_from_lists
    from dnas_cli.tiles.make_tile_set import make_tile_set
    from dnas_cli.tiles.settings import TilingOptions, TilingSettings, parse_ratio, parse_scenes
    from dnas_cli.tiles.workers import default_workers

    _check_source(source)
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: must be at least 1.")
    named = {"train": train_scenes, "val": val_scenes, "test": test_scenes}
    scenes = {name: parse_scenes(text, f"--{name}-scenes") for name, text in named.items()}
    settings = TilingSettings(
        description=find_description(source, dataset),
        size=size,
        split_by=split_by,
        ratio=parse_ratio(split),
        seed=seed,
        scenes=tuple((name, given) for name, given in scenes.items() if given is not None),
        max_unknown=max_unknown,
    )
    target = out or default_target(source)
    _check_target(source, target)
    options = TilingOptions(workers or default_workers(), overwrite, strict)
    if from_lists:
        result = tile_set_from_lists(
            source, target, from_lists, settings.description, max_unknown, options
        )
    else:
        result = make_tile_set(source, target, settings, options)
    from dnas_cli.report.preview import write_previews

    write_previews(result.tiles)
    _print(result, as_json)


def default_target(source: Path) -> Path:
    """Return the folder beside a source folder: `gid5/` -> `gid5-tiles/`."""
    whole = source.resolve()
    return (
        whole.with_name(whole.name + "-tiles")
        if source.name in ("", "..")
        else (source.with_name(source.name + "-tiles"))
    )


def _check_source(source: Path) -> None:
    from dnas_cli.errors import DataError
    from dnas_cli.tiles.dataset_json import is_tile_set

    if not source.is_dir():
        what = "is not a folder" if source.exists() else "no such folder"
        raise DataError(f"{source}: {what}.", "Give the folder that holds the scenes and labels.")
    if is_tile_set(source):
        raise DataError(
            f"{source}: is a tile set already.", "Give the folder of scenes it was made from."
        )


def _check_target(source: Path, target: Path) -> None:
    if source.resolve().is_relative_to(target.resolve()):
        raise UsageError(f"--out {target}: holds the scenes themselves; name another folder.")


def _print(result: "TileSetResult", as_json: bool) -> None:
    import json

    from dnas_cli.console import logger
    from dnas_cli.report.tile_set_table import result_text

    if not result.made:
        logger.info("%s: is finished already; nothing to do.", result.tiles.root)
    print(json.dumps(result.to_json(), indent=2) if as_json else result_text(result))
