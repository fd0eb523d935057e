"""The options of decoding, for `dnas decode` and `dnas_cli.decode`."""

from pathlib import Path
from typing import Annotated, TypedDict

from dnas_cli.shared_options import DEVICE, OVERWRITE
from dnas_cli.space.decoding import ConnectionRule
from dnas_cli.typed_fields import Option


class DecodeOptions(TypedDict, total=False):
    """From which logits, and by which rule, a stage is decoded."""

    epoch: Annotated[str | int, Option("last, best (val mIoU) or a number from 1.", default="last")]
    rule: Annotated[
        ConnectionRule,
        Option("Stage 2 keeps edges of logit above 0, or of more than an equal share.",
               default="positive"),
    ]  # fmt: skip
    candidates: Annotated[
        int,
        Option("Score this many codings inside the trained supernet and keep the best.",
               default=1, at_least=1),
    ]  # fmt: skip
    target_macs: Annotated[
        float | None,
        Option("Most multiply-accumulates of the network per tile: 4e9.", metavar="N",
               at_least=1, at_most=1e18),
    ]  # fmt: skip
    device: Annotated[str, DEVICE]
    branch: Annotated[
        Path | str | None,
        Option("Copy the finished stages into a new run and continue there.", metavar="NEW_RUN",
               panel="Branch and resume"),
    ]  # fmt: skip
    overwrite: Annotated[bool, OVERWRITE]
