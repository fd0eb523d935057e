"""The expected cost of what logits decode to, as a differentiable function of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dnas_cli.nets.cost_table import CostTable
from dnas_cli.space.coding import SearchSpace
from dnas_cli.space.lattice import Edge, Node
from dnas_cli.space.operators import KEPT_OPERATORS


def expected_cost(
    space: SearchSpace, logits: Sequence[Tensor], table: CostTable, unit: float = 1.0
) -> Tensor:
    """Return the expected cost; it is linear in every probability.

    - Stage 1: the mean over all paths, each weighed by its score (method, section 2).
    - Stage 2: an edge of logit `b` is kept with probability `sigmoid(b)`; what dies is not
      subtracted.
    - Stage 3: each of a node's operators counts by its softmax, three times.

    Args:
        space: The stage's space.
        logits: The effective logits of each node, in the order of the graph.
        table: Costs of parts.
        unit: What one is in the result; a target keeps it near 1.
    """
    groups = dict(zip(space.graph.nodes, logits, strict=True))
    stage = {1: _of_paths, 2: _of_connections, 3: _of_operators}[space.stage]
    return stage(space, groups, table, unit)


def _of_paths(
    space: SearchSpace, groups: dict[Node, Tensor], table: CostTable, unit: float
) -> Tensor:
    """Sum over all paths to each node: their weights, and their weights times their costs."""
    graph, weights, costs = space.graph, dict[Node, Tensor](), dict[Node, Tensor]()
    largest = max(len(graph.incoming(node)) for node in graph.nodes)
    for node in graph.nodes:
        incoming = graph.incoming(node)
        shares = torch.softmax(groups[node], 0) * (len(incoming) / largest)
        own = groups[node].new_tensor([table.likely(item) / unit for item in incoming])
        if node.layer == 0:
            weights[node], costs[node] = shares.new_ones(()), own[0]
            continue
        reached = torch.stack([weights[item.source] for item in incoming])
        spent = torch.stack([costs[item.source] for item in incoming])
        weights[node] = (shares * reached).sum()
        costs[node] = (shares * (spent + reached * own)).sum()
    ends = {node: table.ends((node,)) / unit for node in graph.outputs}
    total = torch.stack([costs[node] + weights[node] * ends[node] for node in ends]).sum()
    return total / torch.stack([weights[node] for node in ends]).sum()


def _of_connections(
    space: SearchSpace, groups: dict[Node, Tensor], table: CostTable, unit: float
) -> Tensor:
    graph, core = space.graph, set(space.core)
    kept: dict[Edge, Tensor] = {}
    for node, logits in groups.items():
        chances = torch.sigmoid(logits).unbind()
        kept |= dict(zip(graph.incoming(node), chances, strict=True))
    end = Node(graph.layers - 1, space.path[-1])
    plain = table.ends((end,))
    total = next(iter(groups.values())).new_tensor(plain / unit)
    for item in graph.edges:
        share = table.likely(item) / unit
        total = total + (share if item in core else kept[item] * share)
    for node in graph.outputs:
        if node != end:  # it is in the head if any of its edges is kept
            missing = torch.stack([1 - kept[item] for item in graph.incoming(node)]).prod()
            more = table.ends(tuple(sorted((node, end)))) - plain
            total = total + (1 - missing) * (more / unit)
    return total


def _of_operators(
    space: SearchSpace, groups: dict[Node, Tensor], table: CostTable, unit: float
) -> Tensor:
    graph = space.graph
    total = next(iter(groups.values())).new_tensor(table.ends(graph.outputs) / unit)
    for node, logits in groups.items():
        costs = logits.new_tensor([cost / unit for cost in table.of_node(graph, node)])
        total = total + KEPT_OPERATORS * (torch.softmax(logits, 0) * costs).sum()
    return total
