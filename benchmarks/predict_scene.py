"""How fast and in how much memory scenes are mapped, and how much of a seam is left.

    python -m benchmarks.predict_scene size --side 20000
    python -m benchmarks.predict_scene gid --network published
    python -m benchmarks.predict_scene seams MODEL SCENE

`size` writes a synthetic scene, maps it with `dnas predict` in a process of its own, and prints
megapixels per second and the peak memory beside the estimate; `gid` does so for a scene as GID has
them, 6800 x 7200 pixels. Weights are random: of a `small` network of width 8, of a published one
(`L12`, `L14`; `published` is L14), or of an architecture coding by its path. `seams` maps a scene
twice with every window setting, the grid of windows moved by half a step, and prints the share of
pixels whose class differs: what the position of windows decides.
"""

import argparse
import itertools
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import torch
from rasterio.transform import Affine

from dnas_cli.mapping.mapper import MapSettings, load_mapper
from dnas_cli.mapping.stream import stream_map
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.nets.network import build_derived
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import open_raster
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Graph, edge


def main() -> None:
    """Run one of the two benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(required=True)
    size = commands.add_parser("size", help="time and peak memory of a synthetic scene")
    size.add_argument("--side", type=int, default=20_000, help="rows, and columns by default")
    size.add_argument("--width", type=int, help="columns, where they differ from rows")
    gid = commands.add_parser("gid", help="the same for a scene of 6800 x 7200 pixels")
    gid.set_defaults(side=6800, width=7200)
    for command in (size, gid):
        command.add_argument("--bands", type=int, default=4)
        command.add_argument("--network", default="small", help="small, published, L12, L14, FILE")
        command.add_argument("--model", type=Path, help="a model for as many bands instead")
        command.add_argument("--folder", type=Path, help="where the scene and the map are written")
        command.add_argument("options", nargs="*", help="after --: options for dnas predict")
        command.set_defaults(run=measure_size)
    seams = commands.add_parser("seams", help="share of pixels that windows decide")
    seams.add_argument("model", type=Path)
    seams.add_argument("scene")
    seams.set_defaults(run=measure_seams)
    arguments = parser.parse_args()
    arguments.run(arguments)


def measure_size(arguments: argparse.Namespace) -> None:
    """Map a synthetic scene and print time and memory."""
    width = arguments.width or arguments.side
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        scene = folder / "scene.tif"
        write_scene(scene, arguments.side, width, arguments.bands)
        model = arguments.model or write_model(
            folder / "model.pt", arguments.network, arguments.bands
        )
        command = [sys.executable, "-m", "dnas_cli", "predict", model, scene]
        command += ["--out", folder / "map.tif", "--json", *arguments.options]
        start = time.monotonic()
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        if done.returncode:
            sys.exit(done.stderr)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        estimate = re.search(r"about ([\d.]+ \w+) of memory", done.stderr)
        said = json.loads(done.stdout)[0]
        result = {
            "network": str(arguments.model or arguments.network),
            "rows": arguments.side,
            "columns": width,
            "bands": arguments.bands,
            "seconds": round(seconds, 1),
            "megapixels_per_second": round(arguments.side * width / 1e6 / seconds, 3),
            "megapixels_per_second_without_start_and_outputs": said["megapixels_per_second"],
            "peak_memory_mb": round(peak / 1e6),
            "estimated_memory": estimate[1] if estimate else None,
        }
        print(json.dumps(result, indent=2))


def measure_seams(arguments: argparse.Namespace) -> None:
    """Map a scene with the windows at two places and print how much that changes."""
    tile = load_mapper(arguments.model, "auto", MapSettings()).model.facts.tile_size
    plain = [(tile, tile * eighths // 8, False) for eighths in range(5)]
    print("window  overlap  flips  changed by half a step   seconds")
    for window, overlap, flips in [*plain, (tile, tile // 4, True), (2 * tile, tile // 2, False)]:
        start = time.monotonic()
        first = classes_of(arguments, window, overlap, flips, 0)
        seconds = time.monotonic() - start
        moved = classes_of(arguments, window, overlap, flips, (window - overlap) // 2)
        changed = float((first != moved).mean())
        print(
            f"{window:6} {overlap:8}  {'yes' if flips else 'no':>5} "
            f"{100 * changed:22.3f} %  {seconds:8.1f}",
            flush=True,
        )


def classes_of(
    arguments: argparse.Namespace, window: int, overlap: int, flips: bool, shift: int
) -> npt.NDArray[np.uint8]:
    """Map a scene in memory."""
    settings = MapSettings(window, overlap, views="flips" if flips else "plain", shift=shift)
    mapper = load_mapper(arguments.model, "auto", settings)
    with open_raster(arguments.scene) as scene:
        rows = list(stream_map(scene, mapper.predictor_of(scene), mapper.grid))
    return np.concatenate([item.classes for item in rows])


def write_scene(path: Path, height: int, width: int, bands: int) -> None:
    """Write a scene of smooth random patches, block row by block row."""
    random = np.random.default_rng(0)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": bands, "bigtiff": "IF_SAFER"}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "photometric": "MINISBLACK"}
    profile |= {"crs": "EPSG:32631", "transform": Affine(1, 0, 500_000, 0, -1, 5_000_000)}
    with rasterio.open(path, "w", height=height, width=width, **profile) as raster:
        for row in range(0, height, 512):
            coarse = random.integers(0, 256, (bands, 16, width // 32 + 1)).astype(np.uint8)
            rows = np.repeat(np.repeat(coarse, 32, axis=1), 32, axis=2)
            rows = rows[:, : min(512, height - row), :width]
            raster.write(rows, window=((row, row + rows.shape[1]), (0, width)))


def write_model(path: Path, network: str, bands: int) -> Path:
    """Write a network for 5 classes with random weights: width 40, or 8 if it is small."""
    coding, width = (
        (small(), 8) if network == "small" else (ArchitectureCoding.read(of(network)), 40)
    )
    facts = ModelFacts(
        classes=tuple(LandClass(f"class {index}", (40 * index, 90, 200)) for index in range(5)),
        bands=tuple(str(number + 1) for number in range(bands)),
        dtype="uint8",
        nodata=None,
        normalisation=Normalisation(1 / 255, (0.5,) * bands, (0.25,) * bands),
        statistics={},
        tile_size=512,
        width=width,
    )
    torch.manual_seed(0)
    save_model(path, Model(build_derived(coding, facts.shape).eval(), coding, facts))
    return path


def of(network: str) -> Path:
    """Return the file of a coding."""
    name = "L14" if network == "published" else network
    published = Path(__file__).parent / "codings" / f"{name}.json"
    return published if published.is_file() else Path(network)


def small() -> ArchitectureCoding:
    """Return an architecture of 6 layers."""
    scales = (0, 1, 1, 2, 1, 0)
    nodes = list(enumerate(scales))
    edges = [
        edge((-1, 0), nodes[0]),
        *(edge(*pair) for pair in itertools.pairwise(nodes)),
    ]
    graph = Graph(len(scales), tuple(edges))
    operators = tuple(("conv1x1", "conv3x3", "sep_conv_3x3") for _ in graph.nodes)
    return ArchitectureCoding(graph, operators, derived_from=None)


if __name__ == "__main__":
    main()
