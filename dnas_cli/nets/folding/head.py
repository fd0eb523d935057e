"""The head as one linear map, at each output's own resolution.

The head has no ReLU, so conv3x3 - BN - conv3x3 - BN - conv1x1 is linear in its input: away from the
border it is one 5x5 convolution to the classes. At the border it differs: the second convolution
sees zeros beyond the border, where the folded one would see the first convolution of the zeros
beyond and of the border pixels. The contribution of these one-pixel rings is subtracted.
"""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.folding.branches import fold_norm
from dnas_cli.nets.folding.convolution import Convolution, constant
from dnas_cli.nets.map_operations import interpolation, kept
from dnas_cli.nets.network import Network

SHIFTS = (-2, -1, 0, 1, 2)
_OPERATORS = len(SHIFTS) + 2  # along one axis: the five shifts, the first pixel, the last pixel


class FoldedHead(nn.Module):
    """Maps the features of the output nodes, finest first, to logits at the finest resolution.

    Along one axis, two conv3x3 in a row add shifts: by `b` in the first, by `a` in the second, with
    zeros beyond the border between them. `a` after `b` is the shift by `a + b`, except that a shift
    out and back loses the pixel at the border: 1 after -1 is the identity less the first pixel, -1
    after 1 the identity less the last one. So seven operators along each axis (five shifts, and the
    selection of the first or the last pixel) describe the head exactly, border and corners
    included, with a matrix of classes by channels for each of the 7 x 7 pairs.

    Resizing is also linear along each axis and joins those operators: a coarse feature map is
    mapped to classes while it is small.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        layers = list(network.head)
        first = fold_norm(cast(nn.Conv2d, layers[0]), cast(nn.BatchNorm2d, layers[1]))
        second = fold_norm(cast(nn.Conv2d, layers[3]), cast(nn.BatchNorm2d, layers[4]))
        last = cast(nn.Conv2d, layers[6])
        assert last.bias is not None
        to_classes = last.weight[:, :, 0, 0].double()
        outer = torch.einsum("ch,hiyx->ciyx", to_classes, second.weight.double())
        bias = last.bias.double() + to_classes @ second.bias.double()
        through = torch.einsum("ciyx,i->cyx", outer, first.bias.double())
        taps = _tap_matrices(outer, first.weight.double())  # (7, 7, classes, C)
        dtype = last.weight.dtype
        self.register_buffer("bias", bias.to(dtype))
        self.register_buffer("through", through[:, None].to(dtype))  # (classes, 1, 3, 3)
        self.classes = last.out_channels
        channels = [network.shape.channels(node) for node in network.graph.outputs]
        finest = network.graph.outputs[0].scale
        self.outputs = nn.ModuleList(
            _SameSize(part.to(dtype)) if node.scale == finest else _Coarser(part.to(dtype))
            for node, part in zip(
                network.graph.outputs, torch.split(taps, channels, 3), strict=True
            )
        )

    bias: Tensor
    through: Tensor

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map features (N, C_k, H_k, W_k) to logits (N, classes, H_0, W_0)."""
        height, width = features[0].shape[-2:]
        ones = features[0].new_ones(1, 1, height, width)
        logits = F.conv2d(ones, self.through, self.bias, padding=1)  # of the biases
        for feature, output in zip(features, self.outputs, strict=True):
            logits = logits + output(feature, (height, width))
        return logits


def _tap_matrices(outer: Tensor, inner: Tensor) -> Tensor:
    """Sum the products of kernel entries by their operators along both axes.

    Args:
        outer: (classes, hidden, 3, 3), the second convolution with the classes.
        inner: (hidden, C, 3, 3), the first convolution.

    Returns:
        (7, 7, classes, C), by row operator and column operator.
    """
    taps = outer.new_zeros(_OPERATORS, _OPERATORS, outer.shape[0], inner.shape[1])
    products = torch.einsum("khab,hcij->abijkc", outer, inner)
    for a in range(3):
        for b in range(3):
            for i in range(3):
                for j in range(3):
                    for row, row_sign in _operators(a, i):
                        for column, column_sign in _operators(b, j):
                            taps[row, column] += row_sign * column_sign * products[a, b, i, j]
    return taps


def _operators(outer: int, inner: int) -> list[tuple[int, int]]:
    """Return the operators, with signs, of two kernel entries along one axis."""
    found = [(outer + inner, 1)]
    if (outer, inner) == (0, 2):  # looks back, beyond the first pixel, at the first pixel
        found.append((5, -1))
    if (outer, inner) == (2, 0):
        found.append((6, -1))
    return found


class _SameSize(nn.Module):
    """Applies the operators as a 5x5 convolution, and to the border's rows, columns and corners.

    Args:
        taps: (7, 7, classes, C).
    """

    def __init__(self, taps: Tensor) -> None:
        super().__init__()
        kernels = taps.permute(2, 3, 0, 1)  # (classes, C, 7, 7)
        self.inside = Convolution(kernels[:, :, :5, :5], None)
        self.rows = _constants(kernels[:, :, operator, :5] for operator in (5, 6))
        self.columns = _constants(kernels[:, :, :5, operator] for operator in (5, 6))
        self.corners = _constants(taps[row, column].T for row in (5, 6) for column in (5, 6))

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Map (N, C, H, W) to (N, classes, H, W)."""
        result: Tensor = self.inside(x)
        corners = iter(self.corners)
        for row, weight in zip((0, -1), self.rows, strict=True):
            line = F.conv1d(x[:, :, row], weight, padding=2)
            for column in (0, -1):
                line[:, :, column] += x[:, :, row, column] @ next(corners)
            result[:, :, row] += line
        for column, weight in zip((0, -1), self.columns, strict=True):
            result[..., column] += F.conv1d(x[..., column], weight, padding=2)
        return result


class _Coarser(nn.Module):
    """Maps to classes at the input's own resolution, then resizes by matrices that also shift.

    Args:
        taps: (7, 7, classes, C).
    """

    def __init__(self, taps: Tensor) -> None:
        super().__init__()
        self.classes = taps.shape[2]
        mixing = taps.permute(2, 0, 1, 3).flatten(0, 2)  # (classes*7*7, C)
        self.mix = Convolution(mixing[:, :, None, None], None)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Map (N, C, h, w) to (N, classes, H, W), of the given size."""
        count, (h, w) = x.shape[0], x.shape[-2:]
        rows, columns = (
            kept(_axis_operators)(*lengths, x.dtype, x.device)
            for lengths in ((h, size[0]), (w, size[1]))
        )
        mixed = self.mix(x).reshape(count, self.classes, _OPERATORS, _OPERATORS, h, w)
        mixed = mixed.permute(0, 1, 2, 4, 3, 5)  # (N, classes, 7 rows, h, 7 columns, w)
        wide = mixed.reshape(-1, _OPERATORS * w) @ columns.T  # (N*classes*7*h, W)
        return torch.matmul(rows, wide.reshape(count, self.classes, _OPERATORS * h, size[1]))


def _constants(values: Iterable[Tensor]) -> nn.ParameterList:
    return nn.ParameterList(constant(value.contiguous()) for value in values)


def _axis_operators(size: int, to: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the seven operators after interpolation along one axis, side by side.

    Returns:
        (to, 7 * size).
    """
    plain = interpolation(size, to, torch.empty(0, dtype=dtype, device=device))
    padded = F.pad(plain, (0, 0, 2, 2))
    shifts = [padded[2 + shift : 2 + shift + to] for shift in SHIFTS]
    first = F.pad(plain[:1], (0, 0, 0, to - 1))
    last = F.pad(plain[-1:], (0, 0, to - 1, 0))
    return torch.cat([*shifts, first, last], 1)
