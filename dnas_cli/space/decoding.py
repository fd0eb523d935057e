"""From trained logits to codings: path, connections, operators (method, sections 2 to 4)."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from dnas_cli.space.lattice import Edge, Graph, Node, prune
from dnas_cli.space.operators import KEPT_OPERATORS, OPERATORS
from dnas_cli.space.spaces import connection_space, core_edges

ConnectionRule = Literal["positive", "probability"]

_TIE = 1e-12  # scores closer than this differ by rounding only


def decode_path(graph: Graph, logits: Mapping[Edge, float]) -> tuple[int, ...]:
    """Return the most probable path through the path-level space, by Viterbi (section 2)."""
    return best_paths(graph, logits, 1)[0]


def best_paths(graph: Graph, logits: Mapping[Edge, float], count: int) -> list[tuple[int, ...]]:
    """Return the most probable paths through the path-level space, best first (section 2).

    The score of a path is the product of its edges' probabilities from (0,0) on, summed as
    logarithms. Ties go to the finest source and the finest end. This is Viterbi with the best
    `count` paths to every node in place of the best one.

    Args:
        graph: The path-level space.
        logits: One logit per edge.
        count: Most paths to return; small lattices have fewer.
    """
    shares = path_shares(graph, logits)
    best: dict[Node, list[_ScoredPath]] = {Node(0, 0): [(0.0, (0,))]}
    for node in graph.nodes:
        if node.layer > 0:
            longer = [
                (score + shares[item], (*path, node.scale))
                for item in graph.incoming(node)
                for score, path in best[item.source]
            ]
            best[node] = _highest(longer, count)
    ends = [item for node in graph.outputs for item in best[node]]
    return [path for _, path in _highest(ends, count)]


def path_shares(graph: Graph, logits: Mapping[Edge, float]) -> dict[Edge, float]:
    """Return the logarithm of every edge's probability in the path-level space (section 2).

    It is the edge's share of the target's softmax, times the target's in-degree over the largest
    in-degree; the latter factor differs between nodes and so belongs to the score.
    """
    largest = max(len(graph.incoming(node)) for node in graph.nodes)
    shares: dict[Edge, float] = {}
    for node in graph.nodes:
        incoming = graph.incoming(node)
        bias = math.log(len(incoming) / largest)
        logs = log_softmax([logits[item] for item in incoming])
        shares |= {item: log + bias for item, log in zip(incoming, logs, strict=True)}
    return shares


_ScoredPath = tuple[float, tuple[int, ...]]


def _highest(paths: list[_ScoredPath], count: int) -> list[_ScoredPath]:
    """Return the paths of highest score, best first; of equal ones the first in the list."""
    left = list(paths)
    found: list[_ScoredPath] = []
    while left and len(found) < count:
        highest = max(score for score, _ in left)
        found.append(
            left.pop(next(k for k, (score, _) in enumerate(left) if score >= highest - _TIE))
        )
    return found


def decode_connections(
    path: tuple[int, ...], logits: Mapping[Edge, float], rule: ConnectionRule = "positive"
) -> Graph:
    """Return the connections kept below a path, pruned (section 3).

    Args:
        logits: One logit per edge of `connection_space(path)`.
        rule: See `kept_edges`.
    """
    return prune(Graph(len(path), kept_edges(path, logits, rule)))


def kept_edges(
    path: tuple[int, ...], logits: Mapping[Edge, float], rule: ConnectionRule = "positive"
) -> tuple[Edge, ...]:
    """Return the core edges and every edge that the rule keeps, before pruning.

    Args:
        logits: One logit per edge of `connection_space(path)`.
        rule: `positive` keeps edges whose logit is above 0; `probability` those whose share of
            their target's softmax is above an equal share.
    """
    space = connection_space(path)
    core = set(core_edges(path))
    kept: list[Edge] = []
    for node in space.nodes:
        incoming = space.incoming(node)
        scores = [logits[item] for item in incoming]
        if rule == "probability":
            scores = [share + math.log(len(incoming)) for share in log_softmax(scores)]
        kept.extend(
            item for item, score in zip(incoming, scores, strict=True) if item in core or score > 0
        )
    return tuple(kept)


def decode_operators(
    graph: Graph, logits: Mapping[Node, Sequence[float]], keep: int = KEPT_OPERATORS
) -> dict[Node, tuple[str, ...]]:
    """Return the operators of largest logit per node, in index order (section 4).

    Equal logits go to the lower index.
    """
    return {node: strongest_operators(logits[node], keep) for node in graph.nodes}


def strongest_operators(logits: Sequence[float], keep: int = KEPT_OPERATORS) -> tuple[str, ...]:
    """Return the names of the `keep` operators of largest logit, in index order."""
    ranked = sorted(range(len(OPERATORS)), key=lambda index: (-logits[index], index))
    return tuple(OPERATORS[index] for index in sorted(ranked[:keep]))


def log_softmax(logits: Sequence[float]) -> list[float]:
    """Return the logarithms of the softmax of a few numbers."""
    top = max(logits)
    total = top + math.log(sum(math.exp(logit - top) for logit in logits))
    return [logit - total for logit in logits]


def normalised_entropy(groups: Sequence[Sequence[float]]) -> float:
    """Return the mean entropy of softmaxed groups of logits, as a share of the largest possible.

    1 means undecided, 0 decided. Groups of a single logit do not count.
    """
    shares = []
    for logits in groups:
        if len(logits) > 1:
            logs = log_softmax(logits)
            entropy = -sum(math.exp(value) * value for value in logs)
            shares.append(entropy / math.log(len(logits)))
    return sum(shares) / len(shares) if shares else 0.0
