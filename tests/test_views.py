"""Averages over views: mirrored and turned back where they belong."""

import pytest
import torch
from torch import Tensor

from dnas_cli.mapping.map_options import Views
from dnas_cli.mapping.views import mean_probabilities


def _network(image: Tensor) -> Tensor:
    """Return logits of two classes by the place in the image, not by what it shows."""
    height, width = image.shape[-2:]
    places = torch.arange(height * width, dtype=torch.float32).reshape(height, width)
    return torch.stack([image[:, 0] * (1 + places), image[:, 0] - places], 1)


@pytest.mark.parametrize(("views", "count"), [("plain", 1), ("flips", 4), ("d4", 8)])
def test_the_mean_is_over_all_symmetries_each_once(views: Views, count: int) -> None:
    image, seen = torch.rand(1, 1, 4, 6), set()

    def network(view: Tensor) -> Tensor:
        seen.add((view.shape, view.flatten().tolist().__repr__()))
        return torch.cat([view, -view], 1)

    shares = mean_probabilities(network, image, views)
    assert len(seen) == count
    # This network looks at each pixel alone: every view says the same of it.
    torch.testing.assert_close(shares, torch.cat([image, -image], 1).softmax(1))


def test_the_mean_does_not_depend_on_how_the_image_lies() -> None:
    image = torch.rand(2, 1, 5, 5)
    shares = mean_probabilities(_network, image, "d4")
    for turn in range(4):
        turned = mean_probabilities(_network, torch.rot90(image, turn, (2, 3)), "d4")
        torch.testing.assert_close(torch.rot90(turned, -turn, (2, 3)), shares)
    flipped = mean_probabilities(_network, image.flip(3), "d4")
    torch.testing.assert_close(flipped.flip(3), shares)
    assert not torch.allclose(shares, mean_probabilities(_network, image))
