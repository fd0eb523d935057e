"""Cells as blocks that can be run again (see `recomputation`)."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.network import resize
from dnas_cli.nets.operators import ConvCell, GlobalAveragePool, OperatorCell
from dnas_cli.nets.training_pass.recomputation import Outputs, Turn

Cell = ConvCell | OperatorCell


class CellsOfSource:
    """The cells from one node to targets of one scale: they share the resize.

    Global average pools are left out: they work on vectors and are cheap.

    Args:
        cells: One per target.
        size: Height and width of the targets.
    """

    def __init__(self, cells: list[Cell], size: tuple[int, int]) -> None:
        self._cells = cells
        self._size = size

    def __call__(self, turn: Turn, x: Tensor, *factors: Tensor) -> Outputs:
        """Compute the cells.

        Args:
            turn: How to convolve and to normalise.
            x: (N, C, H, W), the node's feature map.
            factors: Per cell, its weight or those of its operators, if any.

        Returns:
            Per cell its sum, then per cell the map that its average pool still has to be applied
            to; without those that do not exist (see `pieces`).
        """
        x = resize(x, self._size)
        if isinstance(self._cells[0], ConvCell):
            x = F.relu(x)
        remaining = iter(factors)
        results: list[Tensor] = []
        averages: list[Tensor] = []
        for cell in self._cells:
            factor = next(remaining, None)
            if isinstance(cell, ConvCell):
                z = turn.convolve(x, cast(nn.Conv2d, cell[1]))
                results.append(turn.normalise(z, cast(nn.BatchNorm2d, cell[2]), factor))
            else:
                total, average = _operators(turn, x, cell, factor)
                results.extend([] if total is None else [total])
                averages.extend([] if average is None else [average])
        return (*results, *averages)

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters that the block uses."""
        named = (item for cell in self._cells for item in cell.named_parameters())
        return [p for name, p in named if ".global_average_pool." not in f".{name}"]


def pieces(cell: Cell) -> tuple[bool, bool]:
    """Return whether a cell has a sum, and whether it has an average pool."""
    if isinstance(cell, ConvCell):
        return True, False
    names = set(cell.operators)
    return bool(names - {"avg_pool_3x3", "global_average_pool"}), "avg_pool_3x3" in names


def _operators(
    turn: Turn, x: Tensor, cell: OperatorCell, factors: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    maps: list[Tensor] = []
    average: Tensor | None = None
    for index, (name, operator) in enumerate(cell.operators.items()):
        if isinstance(operator, GlobalAveragePool):
            continue
        layers = list(cast(nn.Sequential, operator))
        z = x
        while isinstance(layers[0], nn.Conv2d):
            z = turn.convolve(z, cast(nn.Conv2d, layers.pop(0)))
        # A softmax is positive: its factor may go inside the ReLU and the pools.
        factor = None if factors is None else factors[index]
        y = turn.normalise(z, cast(nn.BatchNorm2d, layers[0]), factor)
        if name == "avg_pool_3x3":
            average = y
            continue
        y = F.max_pool2d(y, 3, 1, 1) if name == "max_pool_3x3" else F.relu_(y)
        maps.append(y)
    if not maps:
        return None, average
    total = maps[0]
    for number, y in enumerate(maps[1:]):
        # The first is the result of a ReLU, whose backward pass needs it unchanged.
        total = total + y if number == 0 else total.add_(y)
    return total, average


class AveragePool(torch.autograd.Function):
    """The 3x3 mean at stride 1, saving nothing: its gradient does not depend on the input."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        """Pool (N, C, H, W); pixels beyond the border do not count."""
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        """Return the gradient; it needs only the input's shape, which is the gradient's."""
        found: Tensor = torch.ops.aten.avg_pool2d_backward(
            gradient, gradient, [3, 3], [1, 1], [1, 1], False, False, None
        )
        return found
