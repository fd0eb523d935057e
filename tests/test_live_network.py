"""Candidates inside a trained supernet: only their own edges and operators are alive."""

import pytest
import torch
from torch import Tensor

from dnas_cli.nets.live_network import LiveNetwork, live_graph
from dnas_cli.nets.network import Network, build_supernet
from dnas_cli.space.candidates import candidates
from dnas_cli.space.coding import Coding, PathCoding, SearchSpace, first_space, second_space
from dnas_cli.space.logits import logit_keys
from dnas_cli.space.operators import OPERATORS
from tests.support.random_networks import random_network
from tests.support.small_codings import ARCHITECTURE


def _masked(network: Network, coding: Coding) -> dict[str, Tensor]:
    """Return the supernet's weights with zeros for all that the coding leaves out."""
    assert network.weighting is not None
    live = {item.key for item in live_graph(coding).edges}
    weights: dict[str, Tensor] = network.weighting()
    for key, weight in weights.items():
        if ">" in key:
            weights[key] = weight if key in live else torch.zeros_like(weight)
    return weights


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stage", [1, 2])
def test_edges_that_a_candidate_leaves_out_weigh_nothing(stage: int, seed: int) -> None:
    network = random_network(f"stage {stage}", seed).eval()
    path = (0, 1, 2, 1, 0)
    space = first_space(5) if stage == 1 else second_space(PathCoding(path))
    if stage == 2:
        network = build_supernet(space, network.shape).double().eval()
    image = torch.randn(2, network.shape.bands, 40, 56, dtype=torch.float64)
    logits = dict.fromkeys(logit_keys(space), 0.3)
    for coding in candidates(space, logits, 3, seed):
        live = LiveNetwork(network, coding).eval()
        with torch.no_grad():
            found = live(image)
            weights = _masked(network, coding)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(network.weighting, "forward", lambda weights=weights: weights)
                expected = network(image)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_operators_that_a_candidate_leaves_out_weigh_nothing(seed: int) -> None:
    network = random_network("stage 3", seed).eval()
    space = SearchSpace(3, network.graph)
    image = torch.randn(2, network.shape.bands, 40, 56, dtype=torch.float64)
    coding = candidates(space, dict.fromkeys(logit_keys(space), 0.0), 2, seed)[1]
    assert network.weighting is not None
    with torch.no_grad():
        found = LiveNetwork(network, coding).eval()(image)
        weights = network.weighting()
        chosen = dict(zip(coding.graph.nodes, coding.operators, strict=True))  # type: ignore[attr-defined]
        for node, names in chosen.items():
            weights[node.key] *= torch.tensor([name in names for name in OPERATORS])
        network.weighting.forward = lambda: weights  # type: ignore[method-assign]
        torch.testing.assert_close(found, network(image))


def test_a_coding_of_another_supernet_is_refused() -> None:
    network = random_network("stage 1", 0)
    with pytest.raises(ValueError, match="has no edge"):
        LiveNetwork(network, ARCHITECTURE)
