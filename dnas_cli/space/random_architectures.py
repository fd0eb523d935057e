"""Random architectures of the space that the three stages search: what a search must beat."""

import random
from collections.abc import Iterator

from dnas_cli.space.coding import ArchitectureCoding, PathCoding, second_space
from dnas_cli.space.lattice import SCALES, Graph, prune
from dnas_cli.space.operators import KEPT_OPERATORS, OPERATORS


def random_architectures(layers: int, seed: int | str) -> Iterator[ArchitectureCoding]:
    """Yield random architectures without end, as a function of the seed.

    The path takes random steps; every further connection below it is kept by an even chance; each
    node gets three operators.
    """
    draw = random.Random(f"architectures {seed}")
    while True:
        scales = [0]
        while len(scales) < layers:
            near = [scales[-1] + step for step in (-1, 0, 1)]
            scales.append(draw.choice([scale for scale in near if 0 <= scale < SCALES]))
        space = second_space(PathCoding(tuple(scales)))
        kept = [item for item in space.graph.edges if item in space.core or draw.random() < 0.5]
        graph = prune(Graph(layers, tuple(kept)))
        chosen = [draw.sample(range(len(OPERATORS)), KEPT_OPERATORS) for _ in graph.nodes]
        names = tuple(tuple(OPERATORS[index] for index in sorted(item)) for item in chosen)
        yield ArchitectureCoding(graph, names)
