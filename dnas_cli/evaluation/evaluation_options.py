"""The options of an evaluation, for `dnas eval` and `dnas_cli.evaluate`."""

from pathlib import Path
from typing import Annotated, TypedDict

from dnas_cli.mapping.map_options import Views
from dnas_cli.shared_options import DEVICE, LABELS_AS_IS, MAX_UNKNOWN, OVERWRITE, SHARD, VIEWS
from dnas_cli.tiles.lists import Split
from dnas_cli.typed_fields import Option


class EvaluationOptions(TypedDict, total=False):
    """What is measured, on what, and where the figures go."""

    split: Annotated[Split, Option("Split of the tile set.", default="test")]
    references: Annotated[
        bool,
        Option("Also score the majority class and the best per-pixel classifier.", default=False),
    ]
    cost: Annotated[
        bool,
        Option("Count multiply-accumulates, parameters, memory; with data also time.",
               default=False),
    ]  # fmt: skip
    scenes: Annotated[
        bool, Option("Score the whole scenes that the split was cut from.", default=False)
    ]
    source: Annotated[
        Path | str | None, Option("Folder of the scenes.  [default: as cut]", metavar="DIR")
    ]
    dataset: Annotated[
        str | Path | None,
        Option("Description of a plain folder: gid5, gid15, fbp or a YAML file.",
               metavar="NAME|YAML"),
    ]  # fmt: skip
    max_unknown: Annotated[float, MAX_UNKNOWN]
    labels_as_is: Annotated[bool, LABELS_AS_IS]
    out: Annotated[
        Path | str | None, Option("Folder for the figures.  [default: RUN/eval]", metavar="DIR")
    ]
    maps: Annotated[
        Path | str | None,
        Option("Map whole scenes: map, errors and panel of each; worst.csv.", metavar="DIR"),
    ]
    batch: Annotated[int, Option("Tiles or windows per forward pass.", default=4, at_least=1)]
    views: Annotated[Views, VIEWS]
    device: Annotated[str, DEVICE]
    overwrite: Annotated[bool, OVERWRITE]
    shard: Annotated[str | None, SHARD]
