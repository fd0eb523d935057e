"""Times and memory on a GPU, in at most eight minutes: `make gpu`.

    python -m benchmarks.gpu [--minutes 8] [--device cuda] [--small]

Measures training steps of all stages at the paper's settings (L14, batch 2, 512 px) in every way to
run them, tiles per second of the loader beside those of the network, and megapixels per second of
`dnas predict` from disk to map. What there is no time for is left out. Prints a table last.
`--device cpu --small` runs every line on a CPU, on sizes that say nothing.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

import dnas_cli as dnas
from benchmarks.measuring import builders, note
from benchmarks.predict_scene import write_model, write_scene
from dnas_cli.datasets.description import load_description
from dnas_cli.demo.scenes import write_scenes
from dnas_cli.nets.device import half_precision, synchronise
from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.run.settings import RetrainSettings, SearchSettings
from dnas_cli.tiles.make_tile_set import make_tile_set
from dnas_cli.tiles.settings import TilingOptions, TilingSettings
from dnas_cli.training.batches import Batch, BatchStream
from dnas_cli.training.steps import SearchSteps, Steps, WeightSteps

STAGES = ("stage 1", "stage 2", "stage 3", "retrain")
MODES: tuple[ExecutionMode, ...] = ("plain", "fast", "low")
WAYS: tuple[tuple[ExecutionMode, bool], ...] = (
    ("plain", False), ("plain", True), ("fast", True), ("low", True),
)  # fmt: skip
BATCH = 2


class Repeated:
    """A stream that gives one batch again and again."""

    def __init__(self, batch: Batch) -> None:
        self.steps, self._batch = 1000, batch

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Return the batch as often as an epoch has steps."""
        return iter([self._batch] * (self.steps - start))

    def close(self) -> None:
        """Do nothing: there are no loading processes."""


def steps_of(
    network: Network, size: int, device: torch.device, mode: ExecutionMode, replay: bool = True
) -> Steps:
    """Return training steps on random data, of the weights and of any logits."""
    bands, classes = network.shape.bands, network.shape.classes
    image = torch.randn(BATCH, bands, size, size, device=device)
    target = torch.randint(0, classes, (BATCH, size, size), device=device)
    stream = cast(BatchStream, Repeated((image, target)))
    if network.weighting is None:
        return WeightSteps(network, stream, RetrainSettings(), device, mode=mode, replay=replay)
    settings = SearchSettings(warmup=0)
    return SearchSteps(network, (stream, stream), settings, device, mode=mode, replay=replay)


def take(steps: Steps, count: int) -> list[Tensor]:
    """Take steps and return all their losses."""
    steps.network.train()
    batches = steps.batches(0, 0)
    taken = [steps.step(next(batches), 1e-4) for _ in range(count)]
    return [loss for losses in taken for named in losses.values() for loss in named]


def milliseconds(run: Callable[[int], object], device: torch.device, count: int) -> float:
    """Return the time of one of `count` runs, after three that warm up."""
    run(3)
    synchronise(device)
    start = time.perf_counter()
    run(count)
    synchronise(device)
    return 1000 * (time.perf_counter() - start) / count


def peak_mb(device: torch.device) -> float:
    """Return the peak memory of tensors since the last call; 0 where nobody counts."""
    if device.type != "cuda":
        return 0.0
    peak = torch.cuda.max_memory_allocated(device) / 1e6
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def forward_ways(
    network: Network, image: Tensor, device: torch.device
) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Yield ways to run the plain network with its backward pass: name and what runs it."""
    dtype = half_precision(device) or torch.bfloat16

    def way(run: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[int], None]:
        def repeat(count: int) -> None:
            for _ in range(count):
                with torch.autocast(device.type, dtype=dtype, cache_enabled=False):
                    loss = run(x).float().square().mean()
                loss.backward()  # type: ignore[no-untyped-call]

        return repeat

    def replayed(item: Network, x: Tensor) -> Callable[[Tensor], Tensor]:
        if device.type != "cuda":
            return item
        with torch.autocast(device.type, dtype=dtype, cache_enabled=False):
            return cast(Network, torch.cuda.make_graphed_callables(copy.deepcopy(item), (x,)))

    yield "contiguous, CUDA graph", way(replayed(network, image), image)
    last = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = image.contiguous(memory_format=torch.channels_last)
    yield "channels last, CUDA graph", way(replayed(last, image), image)
    backend = "inductor" if device.type == "cuda" else "eager"
    yield "channels last, compiled", way(cast(Network, torch.compile(last, backend=backend)), image)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    device, end = torch.device(options.device), time.monotonic() + 60 * options.minutes
    size, count, side = (32, 1, 300) if options.small else (512, 10, 10_000)
    table: list[tuple[str, str]] = []

    def add(what: str, value: str) -> None:
        note(f"{what}: {value}")
        table.append((what, value))

    def in_time() -> bool:
        return bool(time.monotonic() < end)

    _predicting(add, options.device, side)
    _loading(add, device, size, options.small)
    for stage in STAGES:
        for mode, replay in WAYS:
            if in_time():
                network = builders("L14")[stage]().to(device)
                steps = steps_of(network, size, device, mode, replay)
                peak_mb(device)
                time_ms = milliseconds(partial(take, steps), device, count)
                name = f"{stage}, {mode}{'' if replay else ', not replayed'}"
                add(name, f"{time_ms:.1f} ms per step, {peak_mb(device):.0f} MB")
                del network, steps
    network = builders("L14")["retrain"]().to(device).train()
    image = torch.randn(BATCH, network.shape.bands, size, size, device=device)
    ways = forward_ways(network, image, device)
    while in_time() and (found := next(ways, None)) is not None:
        name, run = found
        try:
            time_ms = milliseconds(run, device, count)
        except RuntimeError as error:  # a way that this card or this torch does not have
            add(f"retrain, plain, {name}", f"fails: {str(error).splitlines()[0]:.60}")
        else:
            add(f"retrain, plain, {name}", f"{time_ms:.1f} ms forward and backward")
    _print(table, device)


def _loading(add: Callable[[str, str], None], device: torch.device, size: int, small: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder / "gid5", 0, range(5), 128 if small else 1024)
        settings = TilingSettings(load_description("gid5"), size=size)
        tiles = make_tile_set(folder / "gid5", folder / "tiles", settings, TilingOptions())
        refs = list(tiles.split("train"))
        refs = (refs * (400 // len(refs) + 1))[: 8 if small else 400]
        stream = BatchStream(tiles, refs, RetrainSettings(), 3, 0 if small else 4, device)
        next(iter(stream.epoch(0)))  # starts the processes
        start = time.perf_counter()
        loaded = sum(len(image) for image, _ in stream.epoch(1))
        add("loader, 4 processes", f"{loaded / (time.perf_counter() - start):.0f} tiles/s")
        network = builders("L14")["retrain"]().to(device)
        steps = WeightSteps(network, stream, RetrainSettings(), device)
        steps.network.train()
        synchronise(device)
        start = time.perf_counter()
        for batch in steps.batches(2, 0):
            steps.step(batch, 1e-4)
        synchronise(device)
        rate = loaded / (time.perf_counter() - start)
        add("loader and network, retrain", f"{rate:.0f} tiles/s")
        stream.close()


def _predicting(add: Callable[[str, str], None], device: str, side: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scene(folder / "scene.tif", side, side, 4)
        model = dnas.load_model(write_model(folder / "model.pt", "L14", 4), device)
        start = time.perf_counter()
        dnas.predict(model, folder / "scene.tif", folder / "map.tif")
        rate = side**2 / 1e6 / (time.perf_counter() - start)
        add(f"predict, {side} x {side} px, 4 bands", f"{rate:.2f} megapixels/s from disk to map")


def _print(table: list[tuple[str, str]], device: torch.device) -> None:
    name, driver = str(device), "none"
    if device.type == "cuda":
        name, driver = torch.cuda.get_device_name(device), str(torch.version.cuda)
    print(f"\n{name}, CUDA {driver}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")
    for what, value in table:
        print(f"{what:<36}{value}")


if __name__ == "__main__":
    main()
