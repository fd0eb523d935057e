"""The options of cutting, for `dnas tile` and `dnas_cli.tile`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypedDict

from dnas_cli.errors import DataError, UsageError
from dnas_cli.files import read_lines
from dnas_cli.shared_options import LABELS_AS_IS, MAX_UNKNOWN, OVERWRITE, SHARD
from dnas_cli.tiles.lists import SPLITS, SplitBy
from dnas_cli.typed_fields import Option


def parse_ratio(text: str) -> tuple[int, int, int]:
    """Read a ratio such as `6:2:2`.

    Raises:
        UsageError: It is not three whole numbers.
    """
    parts = text.split(":")
    if len(parts) != len(SPLITS) or not all(part.isascii() and part.isdecimal() for part in parts):
        raise UsageError(f"split={text}: must be three whole numbers, such as 6:2:2.")
    train, val, test = (int(part[:9]) for part in parts)
    return train, val, test


def parse_scenes(text: str) -> tuple[str, ...]:
    """Read scene names given as `A,B`, or as `@FILE` with one name a line.

    Raises:
        UsageError: The file cannot be read.
    """
    if text.startswith("@"):
        try:
            names = [name for _, name in read_lines(Path(text[1:]))]
        except DataError as error:
            raise UsageError(f"The list of scenes cannot be read: {error.what}") from error
    else:
        names = text.split(",")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _scenes(purpose: str) -> Option:
    return Option(f"Scenes that are for {purpose}.", metavar="A,B|@FILE", read=parse_scenes)


class TileOptions(TypedDict, total=False):
    """How scenes become tiles, and which split they go to."""

    dataset: Annotated[
        str | Path | None,
        Option("gid5, gid15, fbp or a description of your own.  [default: by the folders]",
               metavar="NAME|YAML"),
    ]  # fmt: skip
    size: Annotated[int, Option("Height and width of a tile, in pixels.", default=512)]
    split_by: Annotated[SplitBy, Option("Unit that stays within one split.", default="scene")]
    split: Annotated[
        tuple[int, int, int],
        Option("Parts of train, val and test.  [default: 6:2:2]", default=(6, 2, 2),
               metavar="A:B:C", read=parse_ratio),
    ]  # fmt: skip
    seed: Annotated[int, Option("Seed of the split.", default=0)]
    train_scenes: Annotated[Sequence[str] | None, _scenes("training")]
    val_scenes: Annotated[Sequence[str] | None, _scenes("validation")]
    test_scenes: Annotated[Sequence[str] | None, _scenes("testing")]
    from_lists: Annotated[
        list[Path] | None,
        Option("Use existing tiles by their lists; repeatable for files.",
               metavar="DIR|FILE"),
    ]  # fmt: skip
    max_unknown: Annotated[float, MAX_UNKNOWN]
    labels_as_is: Annotated[bool, LABELS_AS_IS]
    keep_empty: Annotated[bool, Option("Keep tiles without any label.", default=False)]
    allow_overlap: Annotated[
        bool,
        Option("Let scenes that overlap on the ground be in several splits.", default=False),
    ]
    resample: Annotated[
        float | None, Option("Resample scenes to pixels of this many metres.", metavar="M")
    ]
    strict: Annotated[
        bool, Option("Stop at a problem instead of skipping the file.", default=False)
    ]
    workers: Annotated[int | None, Option("Processes.  [default: by the work]", at_least=1)]
    overwrite: Annotated[bool, OVERWRITE]
    shard: Annotated[str | None, SHARD]
