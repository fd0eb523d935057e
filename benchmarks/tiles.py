"""How fast scenes are cut into tiles and tiles are loaded, beside what that is to keep up with.

    python -m benchmarks.tiles [--height 7200] [--width 6800] [--coding L12]

Writes a scene with label in the layout of GID, cuts it by `dnas tile` in a process of its own, with
one worker, and by plain reading and writing of the same blocks with rasterio in another; in turn,
three times. Then loads the tiles as training does (whole, mirrored, normalised, in this process)
and takes steps of retraining a published network on them. Prints JSON.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from benchmarks.measuring import machine, note, published, report, summary
from dnas_cli.nets.network import NetworkShape, build_derived
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.batches import BatchStream
from dnas_cli.training.steps import WeightSteps

SIZE = 512
COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 255, 255], [255, 255, 0], [0, 0, 255], [0, 0, 0]], np.uint8
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=7200)
    parser.add_argument("--width", type=int, default=6800)
    parser.add_argument("--coding", default="L12")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        note("writing a scene")
        image, label = write_scene(folder / "gid", options.height, options.width)
        out, plain = folder / "tiles", folder / "plain"
        commands: dict[str, list[object]] = {
            "plain rasterio": [Path(__file__).with_name("cut_plainly.py"), image, label, plain],
            "dnas tile": [
                *("-m", "dnas_cli", "tile", folder / "gid", "--dataset", "gid5", "--quiet"),
                *("--out", out, "--size", SIZE, "--workers", 1, "--split-by", "tile"),
            ],
        }
        seconds: dict[str, list[float]] = {key: [] for key in commands}
        peaks: dict[str, float] = {}
        for turn in range(options.repeats):
            for key, command in commands.items():
                note(f"{key}, {turn + 1} of {options.repeats}")
                shutil.rmtree(out if key == "dnas tile" else plain, ignore_errors=True)
                taken, peaks[key] = measured(command)
                seconds[key].append(taken)
        result["cutting"] = {
            key: {**values, "peak_memory_mb": round(peaks[key] / 1e6)}
            for key, values in summary(seconds).items()
        }
        result["loading"] = loading(open_tile_set(out), options.coding)
    report(result)


def measured(command: list[object]) -> tuple[float, float]:
    """Run a command and return its seconds and its peak memory in bytes."""
    # A process counts what its parent held when it began: let that be a small one.
    small = (
        "import os, sys, time; start = time.perf_counter(); "
        "_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0); "
        "print(time.perf_counter() - start, usage.ru_maxrss * 1024, file=sys.stderr); "
        "sys.exit(os.waitstatus_to_exitcode(status))"
    )
    done = subprocess.run(
        [sys.executable, "-c", small, sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), float(peak)


def loading(tiles: TileSet, coding: str) -> dict[str, float]:
    """Return how long a batch takes to load, and a step to be taken with it."""
    settings = RetrainSettings(batch=2)
    stream = BatchStream(tiles, tiles.split("train"), settings, 3, 0)
    device = torch.device("cpu")
    network = build_derived(published(coding), NetworkShape(40, len(tiles.bands), 5))
    steps = WeightSteps(network.train(), stream, settings, device)
    note("loading")
    batches = []
    start = time.perf_counter()
    for number, batch in enumerate(stream.epoch(0)):
        if number < 4:
            batches.append(batch)
    load = (time.perf_counter() - start) / stream.steps
    note("training")
    times = []
    for batch in batches:
        start = time.perf_counter()
        steps.step(batch, 1e-6)
        times.append(time.perf_counter() - start)
    step = min(times[1:])
    return {"load_s": load, "step_s": step, "times_faster": step / load}


def write_scene(folder: Path, height: int, width: int) -> tuple[Path, Path]:
    """Write an image of patches and noise and its colour label, as the data set comes."""
    random = np.random.default_rng(0)
    image, label = folder / "image_RGB/scene.tif", folder / "label_5classes/scene_label.tif"
    classes = random.integers(0, 6, (-(-height // 32), -(-width // 32)))
    profile = {"driver": "GTiff", "dtype": "uint8", "height": height, "width": width}
    for path, bands in ((image, 4), (label, 3)):
        path.parent.mkdir(parents=True)
        with without_georeference(), rasterio.open(path, "w", count=bands, **profile) as raster:
            for row in range(0, height, 32):
                rows = np.repeat(np.repeat(classes[row // 32 : row // 32 + 1], 32, 0), 32, 1)
                rows = rows[: height - row, :width]
                if bands == 3:
                    values = COLOURS[rows].transpose(2, 0, 1)
                else:
                    noise = random.normal(0, 12, (4, *rows.shape))
                    values = np.clip(40 + 30 * rows + noise, 1, 255).astype(np.uint8)
                raster.write(values, window=Window(0, row, width, rows.shape[0]))
    return image, label


if __name__ == "__main__":
    main()
