"""Several likely codings of a stage's logits.

If the logits have hardly decided, their decoding is close to a draw. Candidates are other likely
codings; a score on data that no weight learned from chooses among them.
"""

import math
import random

from dnas_cli.space.coding import Coding, ConnectionCoding, PathCoding, SearchSpace
from dnas_cli.space.decoding import ConnectionRule, best_paths, decode_connections
from dnas_cli.space.logits import Logits, decode
from dnas_cli.space.operators import OPERATORS

_DRAWS = 50  # per candidate, before a space counts as exhausted


def candidates(
    space: SearchSpace, logits: Logits, count: int, seed: int, rule: ConnectionRule = "positive"
) -> list[Coding]:
    """Return different likely codings; the first is the plain decoding.

    Those of stage 1 are the most probable paths. Those of stages 2 and 3 are drawn by the logits:
    an edge of logit `b` is kept with probability `sigmoid(b)`, operators are drawn one after the
    other by their softmax, without repetition.

    Args:
        space: The stage's space.
        logits: One per key of `logit_keys(space)`.
        count: Largest number of candidates; a small space has fewer.
        rule: Which connections stage 2 keeps.

    Raises:
        KeyError: A logit is missing.
    """
    if space.stage == 1:
        by_edge = {item: logits[item.key] for item in space.graph.edges}
        paths = best_paths(space.graph, by_edge, count)
        return [PathCoding(path, derived_from=space.hash) for path in paths]
    draw = random.Random(f"candidates {seed} {space.hash}")
    drawn = _connections if space.stage == 2 else _operators
    found: list[Coding] = [decode(space, logits, rule)]
    for _ in range(_DRAWS * count):
        if len(found) >= count:
            break
        coding = drawn(space, logits, draw)
        if coding not in found:
            found.append(coding)
    return found


def _connections(space: SearchSpace, logits: Logits, draw: random.Random) -> Coding:
    # The difference of two Gumbel numbers is logistic: above -b with probability sigmoid(b).
    noisy = {item: logits[item.key] + _gumbel(draw) - _gumbel(draw) for item in space.graph.edges}
    return ConnectionCoding(decode_connections(space.path, noisy), derived_from=space.hash)


def _operators(space: SearchSpace, logits: Logits, draw: random.Random) -> Coding:
    # The largest of logits with Gumbel noise are draws without repetition (Kool et al. 2019).
    keys = (f"{node.key}/{name}" for node in space.graph.nodes for name in OPERATORS)
    return decode(space, {key: logits[key] + _gumbel(draw) for key in keys})


def _gumbel(draw: random.Random) -> float:
    return -math.log(-math.log(draw.random() or 0.5))
