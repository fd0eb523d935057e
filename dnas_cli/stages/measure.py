"""Times of a network's parts on this device, kept in the run."""

import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import torch
from torch import nn

from dnas_cli.console import logger, progress
from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.files import remove_leftovers
from dnas_cli.json_files import read_json, write_json
from dnas_cli.nets.cost_table import CostTable
from dnas_cli.nets.device import resolve_device, synchronise
from dnas_cli.nets.network import NetworkShape, build_head, build_stem, resize
from dnas_cli.nets.operators import OperatorCell
from dnas_cli.run.directory import Run, now, open_run
from dnas_cli.space.lattice import SCALES, Edge, Node, scale_sizes
from dnas_cli.space.operators import OPERATORS
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.typed_fields import build

_REPEATS = 7
_SUBSETS = [part for k in range(1, SCALES + 1) for part in combinations(range(SCALES), k)]


@dataclass(frozen=True)
class Times(CostTable):
    """Times in nanoseconds: of every operator between scales, and of stem and head together.

    Attributes:
        device: That they were measured on.
        created: UTC time.
        width: Channels of the finest scale.
        bands: Input bands.
        classes: Output classes.
        head: Channels of the head.
        size: Height and width of the tile.
        edges: By `source>target` scale, of each operator.
        heads: By the scales of the last layer, `0,2`.
    """

    device: str
    created: str
    width: int
    bands: int
    classes: int
    head: int
    size: int
    edges: dict[str, list[int]]
    heads: dict[str, int]

    def __post_init__(self) -> None:
        pairs = {f"{source}>{target}" for source in range(SCALES) for target in range(SCALES)}
        lists = [*self.edges.values(), list(self.heads.values())]
        if self.edges.keys() != pairs or self.heads.keys() != set(map(_named, _SUBSETS)):
            raise ValueError("some parts are missing")
        if any(len(items) != len(OPERATORS) for items in lists[:-1]):
            raise ValueError("some operators are missing")
        if any(not 0 <= item < 10**15 for items in lists for item in items):
            raise ValueError("some times are impossible")

    def operators(self, item: Edge) -> Sequence[int]:
        """Return what each operator takes on an edge."""
        return self.edges[f"{item.source.scale}>{item.target.scale}"]

    def ends(self, outputs: tuple[Node, ...]) -> int:
        """Return what stem and head take."""
        return self.heads[_named([node.scale for node in outputs])]


def times_path(run: Run) -> Path:
    """Return where a run keeps its times."""
    return run.root / "times.json"


def measure_run(root: Path, head: int, device: str = "auto") -> Times:
    """Measure the parts of a run's networks, and keep the times in the run.

    Args:
        root: The run directory.
        head: Channels of the head.
        device: As `resolve_device` takes it.
    """
    run = open_run(root)
    tiles, width = linked_tile_set(run), run.manifest.width
    shape = NetworkShape(width, len(tiles.bands), len(tiles.classes), head=head)
    return measure(run, shape, tiles.tile_size, device)


def measured_times(run: Run, shape: NetworkShape, size: int) -> Times:
    """Return the times of a run; measure them if it holds none.

    Raises:
        DataError: They are damaged, or of another network.
    """
    path = times_path(run)
    if not path.is_file():
        return measure(run, shape, size)
    try:
        found = build(Times, read_json(path))
    except MALFORMED as error:
        raise DataError(f"{path}: does not hold times ({brief(error)}).") from error
    if (found.width, found.bands, found.classes, found.head, found.size) != (
        shape.width,
        shape.bands,
        shape.classes,
        shape.head,
        size,
    ):
        raise DataError(
            f"{path}: was measured for another network.",
            f"Run: dnas measure {run.root} --head {shape.head}",
        )
    return found


def measure(run: Run, shape: NetworkShape, size: int, device: str = "auto") -> Times:
    """Measure the parts of a network on a device, and keep the times in the run.

    Each is the median of a few forward passes of one tile.

    Args:
        run: Where they are kept.
        shape: Of the network.
        size: Height and width of the tile.
        device: As `resolve_device` takes it.
    """
    where = resolve_device(device)
    stem = build_stem(shape).eval().to(where)
    image = torch.randn(1, shape.bands, size, size, device=where)
    with torch.inference_mode():
        first = stem(image)
    sizes = scale_sizes(first.shape[-2], first.shape[-1])
    edges, heads, base = {}, {}, _time(stem, image, where)
    with progress("measured parts", SCALES**2 + len(_SUBSETS)) as advance:
        for source in range(SCALES):
            channels = shape.width << source
            x = torch.randn(1, channels, *sizes[source], device=where)
            for target in range(SCALES):
                edges[f"{source}>{target}"] = [
                    _time(_cell(channels, shape.width << target, sizes[target], name), x, where)
                    for name in OPERATORS
                ]
                advance(1)
        for scales in _SUBSETS:
            channels = sum(shape.width << scale for scale in scales)
            head = build_head(channels, shape)
            x = torch.randn(1, channels, *sizes[scales[0]], device=where)
            heads[_named(scales)] = base + _time(head, x, where)
            advance(1)
    kind = torch.cuda.get_device_name(where) if where.type == "cuda" else platform.processor()
    name = f"{where.type} {kind}".strip()
    shown = (shape.width, shape.bands, shape.classes, shape.head, size)
    found = Times(name, now(), *shown, edges, heads)
    path = times_path(run)
    remove_leftovers(path.parent, path.name)
    write_json(path, asdict(found))
    logger.info("%s: times of %s.", path, name)
    return found


def _cell(c_in: int, c_out: int, size: tuple[int, int], name: str) -> nn.Module:
    """Build a cell of one operator that resizes first, as in the network."""
    return nn.Sequential(_Resize(size), OperatorCell(c_in, c_out, (name,)))


class _Resize(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self._size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return resize(x, self._size)


def _time(module: nn.Module, x: torch.Tensor, device: torch.device) -> int:
    """Return the median of a few forward passes in nanoseconds, after a first one."""
    taken, module = [], module.eval().to(device)
    with torch.inference_mode():
        for _ in range(_REPEATS + 1):
            synchronise(device)
            started = time.perf_counter_ns()
            module(x)
            synchronise(device)
            taken.append(time.perf_counter_ns() - started)
    return int(statistics.median(taken[1:]))


def _named(scales: Sequence[int]) -> str:
    return ",".join(map(str, scales))
