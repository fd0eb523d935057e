"""A hundred thousand scenes: how long and in how much memory `dnas` handles what it knows of them.

    python -m benchmarks.many_scenes [--scenes 100000] [--tiles 9]

Everything is synthetic metadata: empty files in the layout of GID-5, and the facts that `dnas tile`
would have measured. No pixel is read. Measured are: finding images and labels, splitting scenes,
writing and opening `dataset.json`, the status of a run, the halves and the order of an epoch, and
the list of scenes of `dnas predict`. Each is a process of its own. Prints a table.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import note
from dnas_cli.datasets.description import load_description
from dnas_cli.datasets.discovery import find_pairs
from dnas_cli.mapping.find_scenes import find_scenes
from dnas_cli.mapping.outputs import OutputPatterns, plan_outputs
from dnas_cli.run.directory import create_run, open_run
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.scenes.label_encoding import tile_encoding
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.run_status import read_status
from dnas_cli.tiles.dataset_json import TileSetContent, open_tile_set, write_tile_set
from dnas_cli.tiles.lists import SPLITS, TileRef
from dnas_cli.tiles.split import split_units
from dnas_cli.training.batches import EpochSampler, halves

SIZE = 512


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=100_000)
    parser.add_argument("--tiles", type=int, default=9, help="per scene")
    parser.add_argument("--folder", type=Path, help="where the files are written")
    options = parser.parse_args()
    names = [f"GF2_{number:06}" for number in range(options.scenes)]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        note("writing empty files")
        for part in ("image_RGB", "label_5classes", "tiles"):
            (folder / part).mkdir()
        for scene in names:
            (folder / f"image_RGB/{scene}.tif").touch()
            (folder / f"label_5classes/{scene}_label.tif").touch()
        content = partial(_content, names, options.tiles)
        works: dict[str, Callable[..., object]] = {
            "find images and labels": lambda: find_pairs(folder, load_description("gid5")),
            "split scenes": lambda: split_units(_pixels(names), (6, 2, 2), 0),
            "write dataset.json and lists": partial(write_tile_set, folder / "tiles"),
            "open the tile set": lambda: open_tile_set(folder / "tiles"),
            "begin a run": lambda: create_run(
                folder / "run", folder / "tiles", open_tile_set(folder / "tiles").fingerprint, 5, 8
            ),
            "dnas status": lambda: read_status(open_run(folder / "run")),
            "start of an epoch": lambda: _epoch(folder / "run"),
            "plan the maps of all scenes": lambda: _plan(folder / "image_RGB", folder / "maps"),
        }
        rows = [
            (what, *_measured(work, [content] if what.startswith("write") else []))
            for what, work in works.items()
        ]
        size = sum(path.stat().st_size for path in (folder / "tiles").iterdir()) / 1e6
    print(
        f"\n{options.scenes} scenes, {options.scenes * options.tiles} tiles, {size:.0f} MB of lists"
    )
    print(f"{'':<32}{'seconds':>9}{'peak MB':>9}")
    for what, seconds, peak in rows:
        print(f"{what:<32}{seconds:>9.1f}{peak:>9.0f}")


def _measured(
    work: Callable[..., object], given: list[Callable[[], object]]
) -> tuple[float, float]:
    """Return the processor seconds of some work in a process of its own, and its peak memory.

    Args:
        given: What makes its arguments, in the same process but outside the measured time.
    """
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        arguments = [make() for make in given]
        before = time.process_time()
        work(*arguments)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        os.write(write, f"{time.process_time() - before} {peak}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        found = answer.read().split()
    os.waitpid(process, 0)
    return float(found[0]), float(found[1])


def _pixels(names: list[str]) -> dict[str, list[int]]:
    counts = np.random.default_rng(0).integers(0, 3, (len(names), 5)) * 10_000
    return dict(zip(names, counts.tolist(), strict=True))


def _content(names: list[str], tiles: int) -> TileSetContent:
    description = load_description("gid5")
    side = int(tiles**0.5)
    split = split_units(_pixels(names), (6, 2, 2), 0)
    refs: dict[str, list[TileRef]] = {name: [] for name in SPLITS}
    sources: list[dict[str, Any]] = []
    for scene in names:
        for tile in range(tiles):
            base = f"{scene}/{scene}_{tile // side}_{tile % side}"
            refs[split[scene]].append(
                TileRef(f"image/{base}_img.tif", f"label/{base}_label.png", scene)
            )
        facts = {"path": f"image_RGB/{scene}.tif", "bytes": 5_000_000, "sha256": "0" * 64}
        shape = {"width": side * SIZE - 40, "height": side * SIZE - 40, "tiles": tiles}
        sources.append({"key": scene, "scene": scene, **shape, "image": facts, "label": facts})
    statistics = BandStatistics.empty(len(description.bands), "uint8")
    values = np.random.default_rng(0).integers(0, 256, (len(description.bands), 64, 64))
    statistics.add(values.astype(np.uint8), np.ones((64, 64), bool))
    encoding = tile_encoding(description.classes)
    pixels = np.full(len(description.classes) + 1, 10**9)
    return TileSetContent(
        description, {}, ".", "..", description.bands, (1, 2, 3, 4), "uint8", SIZE, None,
        encoding, encoding, refs, dict.fromkeys(SPLITS, pixels), statistics, sources, (),
    )  # fmt: skip


def _epoch(run: Path) -> None:
    """Do what precedes the first batch of a search's epoch."""
    tiles = linked_tile_set(open_run(run))
    weights, _ = halves(tiles.split("train"), 0)
    next(iter(EpochSampler(len(weights), 2, 0)))


def _plan(scenes: Path, maps: Path) -> None:
    plan_outputs(find_scenes([str(scenes)]), OutputPatterns((f"{maps}/",)))


if __name__ == "__main__":
    main()
