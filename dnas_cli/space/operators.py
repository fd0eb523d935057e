"""The candidate operators of the cell-level space, by name (method, section 4)."""

OPERATORS: tuple[str, ...] = (
    "conv1x1",
    "conv3x3",
    "conv3x3_dil3",
    "conv3x3_dil12",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "global_average_pool",
)
"""In the index order of codings: position is the operator's id."""

KEPT_OPERATORS = 3
"""Operators that decoding keeps per node."""
