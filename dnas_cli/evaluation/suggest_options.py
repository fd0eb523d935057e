"""The options of a suggestion, for `dnas suggest` and `dnas_cli.suggest`."""

from typing import Annotated

from dnas_cli.mapping.map_options import ReadingOptions
from dnas_cli.shared_options import DEVICE, OVERWRITE
from dnas_cli.typed_fields import Option


class SuggestOptions(ReadingOptions, total=False):
    """How many tiles are chosen, and how scenes are read."""

    tiles: Annotated[int, Option("Number of tiles to label.", default=50, at_least=1)]
    device: Annotated[str, DEVICE]
    overwrite: Annotated[bool, OVERWRITE]
