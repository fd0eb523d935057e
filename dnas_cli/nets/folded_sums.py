"""What has arrived for a node whose feature is not complete yet."""

import torch
from torch import Tensor

from dnas_cli.nets.folded_maps import average_pool
from dnas_cli.nets.network import resize


class Sums:
    """The sums that make up one node's feature.

    - Maps are added as they come.
    - Average pooling is linear, as are the 1x1 convolution before it and a resize: one accumulator
      takes all of a node's averaged branches of one resolution, and is resized and pooled once.
    - A global mean is the same everywhere: vectors are added, and go onto the map once.
    """

    def __init__(self) -> None:
        self._map: Tensor | None = None
        self._shared = False
        self._averages: dict[tuple[int, int], Tensor] = {}  # (H, W) -> (N*H*W, C)
        self._vector: Tensor | None = None

    def add_map(self, x: Tensor, shared: bool) -> None:
        """Add a map.

        Args:
            x: (N, C, H, W).
            shared: Whether `x` is part of a larger result, and must not be written to.
        """
        if self._map is None:
            self._map, self._shared = x, shared
        elif self._shared:
            self._map, self._shared = self._map + x, False
        else:
            self._map += x

    def add_average(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Add the 1x1 convolution of a map, to be resized and averaged.

        Args:
            x: (N, C_in, H, W), at any resolution.
            weight: (C_in, C_out).
            bias: (C_out,).
        """
        size = (x.shape[-2], x.shape[-1])
        pixels = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # (N*H*W, C_in)
        sofar = self._averages.get(size)
        if sofar is not None:
            sofar.addmm_(pixels, weight)  # product and sum in one pass over memory
            if bias is not None:
                sofar += bias
        elif bias is not None:
            self._averages[size] = torch.addmm(bias, pixels, weight)
        else:
            self._averages[size] = pixels @ weight

    def add_vector(self, x: Tensor) -> None:
        """Add a vector (N, C, 1, 1)."""
        self._vector = x if self._vector is None else self._vector + x

    def total(self, count: int, size: tuple[int, int]) -> Tensor:
        """Return the node's feature.

        Args:
            count: Images in the batch.
            size: Height and width of the node.

        Returns:
            (N, C, H, W).
        """
        if self._averages:
            self.add_map(average_pool(self._sum_of_averages(count, size)), shared=False)
        if self._map is None:
            assert self._vector is not None
            return self._vector.expand(-1, -1, *size).contiguous(memory_format=torch.channels_last)
        if self._vector is not None:
            self.add_map(self._vector, shared=True)
        return self._map

    def _sum_of_averages(self, count: int, size: tuple[int, int]) -> Tensor:
        total: Tensor | None = None
        for (height, width), pixels in self._averages.items():
            x = pixels.reshape(count, height, width, -1).permute(0, 3, 1, 2)
            x = resize(x, size)
            total = x if total is None else total + x
        assert total is not None
        return total
