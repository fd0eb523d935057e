"""The ten candidate operators, in one table (method, section 4).

Every operator maps (N, C_in, H, W) to (N, C_out, H, W) at stride 1.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.space.operators import OPERATORS


def _plain(c_in: int, c_out: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def _separable(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_in, kernel, padding=kernel // 2, groups=c_in, bias=False),
        nn.Conv2d(c_in, c_out, 1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def _pooled(c_in: int, c_out: int, pool: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out), pool)


class GlobalAveragePool(nn.Module):
    """Mean over the map - conv1x1 - BN - ReLU, broadcast to the map.

    BN normalises a 1x1 map here, so training needs at least two samples per batch.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.project = _plain(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W), constant over each map."""
        pooled: Tensor = self.project(F.adaptive_avg_pool2d(x, 1))  # (N, C_out, 1, 1)
        return pooled.expand(-1, -1, *x.shape[-2:])


OPS: dict[str, Callable[[int, int], nn.Module]] = {
    "conv1x1": lambda c_in, c_out: _plain(c_in, c_out, 1),
    "conv3x3": lambda c_in, c_out: _plain(c_in, c_out, 3),
    "conv3x3_dil3": lambda c_in, c_out: _plain(c_in, c_out, 3, dilation=3),
    "conv3x3_dil12": lambda c_in, c_out: _plain(c_in, c_out, 3, dilation=12),
    "sep_conv_3x3": lambda c_in, c_out: _separable(c_in, c_out, 3),
    "sep_conv_5x5": lambda c_in, c_out: _separable(c_in, c_out, 5),
    "sep_conv_7x7": lambda c_in, c_out: _separable(c_in, c_out, 7),
    "avg_pool_3x3": lambda c_in, c_out: _pooled(
        c_in, c_out, nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    ),
    "max_pool_3x3": lambda c_in, c_out: _pooled(c_in, c_out, nn.MaxPool2d(3, stride=1, padding=1)),
    "global_average_pool": GlobalAveragePool,
}
"""Operator name -> module of (C_in, C_out), in the index order of codings."""

assert tuple(OPS) == OPERATORS


class ConvCell(nn.Sequential):
    """The cell of stages 1 and 2: ReLU - conv3x3 - BN."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(
            nn.ReLU(), nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out)
        )


class OperatorCell(nn.Module):
    """The cell of stage 3 and of derived networks: a sum over named operators."""

    def __init__(self, c_in: int, c_out: int, names: tuple[str, ...]) -> None:
        super().__init__()
        self.operators = nn.ModuleDict({name: OPS[name](c_in, c_out) for name in names})

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Sum the operators' results.

        Args:
            x: (N, C_in, H, W).
            weights: One factor per operator; all 1 when missing (section 5).

        Returns:
            (N, C_out, H, W).
        """
        total: Tensor | None = None
        for index, operator in enumerate(self.operators.values()):
            result = operator(x) if weights is None else operator(x) * weights[index]
            total = result if total is None else total + result
        assert total is not None
        return total
