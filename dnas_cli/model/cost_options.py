"""The options of counting a cost, for `dnas eval --cost` and `dnas_cli.count_cost`."""

from typing import Annotated, TypedDict

from dnas_cli.typed_fields import Option

_PANEL = "Cost of an architecture"


class CostOptions(TypedDict, total=False):
    """The size of the network and of its input; a model file says both itself."""

    bands: Annotated[int, Option("Bands of the input.", default=4, at_least=1, panel=_PANEL)]
    classes: Annotated[int, Option("Classes of the output.", default=5, at_least=1, panel=_PANEL)]
    width: Annotated[
        int, Option("Channels of the finest scale.", default=40, at_least=1, panel=_PANEL)
    ]
    size: Annotated[
        int, Option("Height and width of the input.", default=512, at_least=1, panel=_PANEL)
    ]
    check: Annotated[
        bool, Option("With --cost: count with ptflops as well, and compare.", default=False)
    ]
