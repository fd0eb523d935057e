"""The sums of a node whose feature map is not complete yet."""

import torch
from torch import Tensor

from dnas_cli.nets.folding.convolution import Convolution
from dnas_cli.nets.map_operations import average_pool
from dnas_cli.nets.network import resize


class Sums:
    """The sums that make up one node's feature map.

    - Maps are added as they arrive.
    - Average pooling is linear, as are the 1x1 convolution before it and a resize: one accumulator
      takes all of a node's averaged branches of one resolution, and is resized and pooled once.
    - A global mean is the same everywhere: vectors are added, and added to the map once.
    """

    def __init__(self) -> None:
        self._map: Tensor | None = None
        self._shared = False
        self._averages: dict[tuple[int, int], Tensor] = {}  # (H, W) -> (N, C, H, W)
        self._vector: Tensor | None = None

    def add_map(self, x: Tensor, shared: bool) -> None:
        """Add a map.

        Args:
            x: (N, C, H, W).
            shared: Whether `x` is part of a larger result, which must not change.
        """
        if self._map is None:
            self._map, self._shared = x, shared
        elif not self._shared:
            self._map += x
        elif not shared:  # then it is this one that may be written to
            x += self._map
            self._map, self._shared = x, False
        else:
            self._map, self._shared = self._map + x, False

    def add_average(self, x: Tensor, convolution: Convolution) -> None:
        """Add the 1x1 convolution of a map, to be resized and averaged.

        Args:
            x: (N, C_in, H, W), at any resolution.
            convolution: To the channels of the node.
        """
        size = (x.shape[-2], x.shape[-1])
        if size in self._averages:
            convolution.add_to(self._averages[size], x)
        else:
            self._averages[size] = convolution(x)

    def add_vector(self, x: Tensor) -> None:
        """Add a vector (N, C, 1, 1)."""
        self._vector = x if self._vector is None else self._vector + x

    def total(self, count: int, size: tuple[int, int]) -> Tensor:
        """Return the node's feature.

        Returns:
            (N, C, H, W).
        """
        if self._averages:
            self.add_map(average_pool(self._sum_of_averages(size)), shared=False)
        if self._map is None:
            assert self._vector is not None
            return self._vector.expand(-1, -1, *size).contiguous(memory_format=torch.channels_last)
        if self._vector is not None:
            self.add_map(self._vector, shared=True)
        return self._map

    def _sum_of_averages(self, size: tuple[int, int]) -> Tensor:
        total: Tensor | None = None
        for sofar in self._averages.values():
            x = resize(sofar, size)
            total = x if total is None else total + x
        assert total is not None
        return total
