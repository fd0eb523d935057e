"""Tile sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from dnas_cli import file_kinds
from dnas_cli.api.path_arguments import AnyPath
from dnas_cli.claimed_outputs import claim_outputs
from dnas_cli.console import logger
from dnas_cli.errors import DataError, UsageError
from dnas_cli.shard import parse_shard
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.tile_options import TileOptions
from dnas_cli.typed_fields import completed

if TYPE_CHECKING:
    from dnas_cli.tiles.result import TileSetResult


def tile(
    source: AnyPath, out: AnyPath | None = None, **options: Unpack[TileOptions]
) -> "TileSetResult":
    """Cut scenes and labels into a tile set, or resume that.

    Args:
        source: Folder of scenes and labels, or of tiles with `from_lists`.
        out: Folder of the tile set; `SOURCE-tiles` when missing.
        options: See `TileOptions`.

    Returns:
        The tile set, and what was skipped.

    Raises:
        UsageError: A value cannot work.
        DataError: No image can be used.
        RunStateError: `out` holds something else, or a tile set with other settings.
        OtherShardsMissing: Other shards are to be cut before the tile set is finished.
    """
    from dnas_cli.datasets.discovery import find_description
    from dnas_cli.report.preview import write_previews
    from dnas_cli.tiles.from_lists import tile_set_from_lists
    from dnas_cli.tiles.make_tile_set import make_tile_set
    from dnas_cli.tiles.settings import TilingOptions, TilingSettings

    given = completed(TileOptions, options)
    shard = parse_shard(given["shard"])
    if given["from_lists"] and not shard.is_all:
        raise UsageError(
            f"shard={shard}: tiles of from_lists=... are cut already.", "Give shard=1/1."
        )
    source = Path(source)
    target = _target(source) if out is None else Path(out)
    _check_folders(source, target)
    named = zip(
        SPLITS, (given["train_scenes"], given["val_scenes"], given["test_scenes"]), strict=True
    )
    dataset = given["dataset"]
    settings = TilingSettings(
        description=find_description(source, None if dataset is None else str(dataset)),
        size=given["size"],
        split_by=given["split_by"],
        ratio=given["split"],
        seed=given["seed"],
        scenes=tuple((split, tuple(scenes)) for split, scenes in named if scenes is not None),
        max_unknown=given["max_unknown"],
        labels_as_is=given["labels_as_is"],
        keep_empty=given["keep_empty"],
        groups_overlaps=not given["allow_overlap"],
        resample=given["resample"],
    )
    work = TilingOptions(given["workers"], given["overwrite"], given["strict"], shard)
    if given["from_lists"]:
        lists = [Path(path) for path in given["from_lists"]]
        result = tile_set_from_lists(source, target, lists, settings, work)
    else:
        result = make_tile_set(source, target, settings, work)
    if not result.made:
        logger.info("%s: is finished already; nothing to do.", result.root)
    if not result.count("val"):
        logger.warning(
            "%s: has no tiles for validation, which searching and retraining need. Give split a "
            "part for it, or name scenes for it.",
            result.root,
        )
    write_previews(result)
    return result


def preview(source: AnyPath, out: AnyPath | None = None, **options: Unpack[TileOptions]) -> Path:
    """Draw scenes with their labels as outlines, rare classes first, before anything is cut.

    Args:
        source: Folder of scenes and labels.
        out: The picture; `SOURCE-preview.png` when missing.
        options: As `tile` takes them; `dataset`, `size` and `labels_as_is` matter.

    Returns:
        The picture.

    Raises:
        UsageError: A value cannot work.
        DataError: No image can be used.
        RunStateError: The picture exists.
    """
    from dnas_cli.datasets.discovery import find_description
    from dnas_cli.report.preview import TILES, write_preview
    from dnas_cli.tiles.settings import TilingSettings
    from dnas_cli.tiles.source_look import look_at_source

    given = completed(TileOptions, options)
    source = Path(source)
    path = _target(source, "-preview.png") if out is None else Path(out)
    if path.suffix.lower() != ".png":
        raise UsageError(f"out={str(path)!r}: the preview is a PNG; name a .png file.")
    claim_outputs([path], given["overwrite"])
    _check_folders(source, path)
    dataset = given["dataset"]
    description = find_description(source, None if dataset is None else str(dataset))
    settings = TilingSettings(description, given["size"], labels_as_is=given["labels_as_is"])
    as_is = settings.labels_as_is
    windows, bands = look_at_source(source, description, settings.size, TILES, as_is)
    write_preview(path, windows, bands, description.encoding.classes)
    return path


def _target(source: Path, ending: str = "-tiles") -> Path:
    """Return what is beside a source folder: `gid5/` -> `gid5-tiles/`."""
    whole = source.resolve() if source.name in ("", "..") else source
    return whole.with_name(whole.name + ending)


def _check_folders(source: Path, target: Path) -> None:
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "no such folder"
        raise DataError(f"{source}: {what}.", "Give the folder that holds the scenes and labels.")
    if file_kinds.kind_of(source) == file_kinds.TILE_SET:
        raise DataError(
            f"{source}: is a tile set already.", "Give the folder of scenes it was made from."
        )
    if source.resolve().is_relative_to(target.resolve()):
        raise UsageError(f"out={str(target)!r}: holds the scenes themselves; name another folder.")
