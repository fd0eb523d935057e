"""Mutated files for every parser, and the judgement of what `dnas` makes of them.

Cases run in forked processes: a crash, a hang or a memory blow-up is then a failure of its case and
not the end of the test.
"""

import json
import os
import random
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import Result

from tests.support.command_line import dnas
from tests.support.mutators import BY_SUFFIX, mutate, mutate_values

CODES = (0, 2, 3, 4)  # done, wrong usage (a setting), in the way, bad data
SECONDS = 30  # most time of a case; they take well below one
MEMORY = 3 << 30  # bytes that a case may have beyond what the process has at first

_BATCH = 25


@dataclass(frozen=True)
class Target:
    """A parser, by a command that reads one file with it.

    Attributes:
        name: For the table.
        file: The file to mutate, within the fixture; of a pattern, any of the files.
        command: The arguments, in the folder of the fixture.
        others: Other commands; each case runs one of all.
        undo: What the command may have made and the next case must not find.
        values: Mutate values within the JSON, XML or torch file as well, not only its bytes.
        copy: A folder that is copied before each case, and its copy.
    """

    name: str
    file: str
    command: tuple[object, ...]
    others: tuple[tuple[object, ...], ...] = ()
    undo: tuple[str, ...] = ()
    values: bool = False
    copy: tuple[str, str] | None = None


@dataclass
class Tally:
    """What became of the cases of a target."""

    cases: int = 0
    refused: int = 0
    harmless: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the cases of another."""
        self.cases += other.cases
        self.refused += other.refused
        self.harmless += other.harmless
        self.failed += other.failed


def _target(name: str, file: str, *command: object, **more: Any) -> Target:
    return Target(name, file, command, **more)


def _of_runs(name: str, file: str, copied: str, *commands: str) -> Target:
    """Return files of a run, which is copied as `again` for each case, and commands on it."""
    command, *others = (tuple(line.split()) for line in commands)
    undo = ("again", "branch", "arrays")
    return Target(name, file, command, tuple(others), undo, values=True, copy=(copied, "again"))


_MAPPED = (
    "predict", "model.pt", "tiles/first.tif", "--out", "map.tif", "--overwrite", "--device", "cpu",
)  # fmt: skip

_ONE = "--stage 1 --epochs 1 --batch 2 --head 4 --device cpu"

TARGETS = (
    _target("run.json", "run/run.json", "status", "run", values=True),
    _target("history.jsonl", "run/search/stage1/history.jsonl", "status", "run", values=True),
    _target("logits.jsonl", "run/search/stage1/logits.jsonl", "decode", "run", "--stage", 1,
            values=True),
    _target("search space", "run/coding/stage1.json", "decode", "run", "--stage", 1, values=True),
    _target("path coding", "run/coding/path.json", "encode", "run", "--stage", 2, values=True),
    _target("architecture", "run/coding/architecture.json", "export-coding",
            "run/coding/architecture.json", "--out", "arrays", undo=("arrays",), values=True),
    _target("dataset.json", "tiles/dataset.json", "encode", "new", "--stage", 1, "--data", "tiles",
            undo=("new",), values=True),
    _target("list", "tiles/train.lst", "encode", "new", "--stage", 1, "--data", "tiles",
            undo=("new",)),
    _target("description", "own.yaml", "tile", "scenes", "--dataset", "own.yaml", "--out", "cut",
            "--size", 32, "--workers", 1, undo=("cut",)),
    _target("settings", "settings.yaml", "search", "run", "--stage", 1, "--settings",
            "settings.yaml"),
    _target("checkpoint", "resumed/search/stage1/last.pt", "search", "resumed", "--stage", 1,
            "--device", "cpu", copy=("unfinished", "resumed"), undo=("resumed",), values=True),
    _target("model", "model.pt", "info", "model.pt", values=True),
    _target("connections.npy", "old/third_connect.npy", "import", "old/third_connect.npy",
            "old/cell_operations.npy", "--out", "a.json", "--overwrite"),
    _target("operations.npy", "old/cell_operations.npy", "import", "old/third_connect.npy",
            "old/cell_operations.npy", "--out", "a.json", "--overwrite"),
    _target("old checkpoint", "old/model.pth.tar", "import", "old/third_connect.npy",
            "old/cell_operations.npy", "old/model.pth.tar", "--dataset", "tiles", "--out", "m.pt",
            "--overwrite", values=True),
    _target("tile", "tiles/first.tif", "eval", "model.pt", "tiles", "--out", "figures",
            "--device", "cpu", undo=("figures",)),
    _target("label", "tiles/first.png", "eval", "model.pt", "tiles", "--out", "figures",
            "--device", "cpu", undo=("figures",)),
    _of_runs("plan.json", "again/plan.json", "planned", "run again --until 1 --device cpu",
             "report again"),
    _of_runs("encoded run", "again/**/*.json", "planned", "status again", f"search again {_ONE}",
             f"search again {_ONE} --dry-run", "encode again --stage 1 --layers 3 --overwrite"),
    _of_runs("whole run", "again/**/*.json*", "run", "status again", "report again",
             "decode again --stage 2 --overwrite", "encode again --stage 2 --overwrite",
             "search again --stage 1 --extend 1 --device cpu", "eval again --device cpu",
             "retrain again --extend 1 --device cpu", "run again --device cpu",
             "run again --from 3 --branch branch --seed 3 --device cpu",
             "export-coding again --out arrays"),
    _target("polygons", "scenes/fields.geojson", "tile", "scenes", "--dataset", "fields.yaml",
            "--out", "cut", "--size", 32, "--workers", 1, undo=("cut",), values=True),
    _target("GeoPackage", "area.gpkg", *_MAPPED, "--clip", "area.gpkg", undo=("map.tif",)),
    _target("GeoJSON", "area.geojson", *_MAPPED, "--clip", "area.geojson", undo=("map.tif",),
            values=True),
    *(
        _target(name, f"area.{suffix}", *_MAPPED, "--clip", f"area.{layer}", undo=("map.tif",))
        for name, suffix, layer in (
            ("shapefile", "shp", "shp"), ("projection", "prj", "shp"), ("FlatGeobuf", "fgb", "fgb"),
        )
    ),
    _target("error matrix", "sample.csv", *_MAPPED, "--areas", "areas.csv", "--error-matrix",
            "sample.csv", undo=("map.tif", "areas.csv")),
    _target("STAC Item", "item.json", "predict", "model.pt", "item.json", "--out", "maps/",
            "--device", "cpu", undo=("maps",), values=True),
    _target("VRT", "first.vrt", "info", "first.vrt", values=True),
    _target("notes of a scene", "noted.tif.aux.xml", "predict", "model.pt", "noted.tif", "--out",
            "map.tif", "--bands", "1,1,1,1", "--device", "cpu", undo=("map.tif", "map.qml"),
            values=True),
    _target("notes of a label", "noted/labels/a.tif.aux.xml", "tile", "noted", "--out", "cut",
            "--size", 32, "--workers", 1, undo=("cut",), values=True),
    _target("NetCDF", "first.nc", "info", "first.nc"),
    _target("ONNX", "model.onnx", "predict", "model.onnx", "tiles/first.tif", "--out", "map.tif",
            undo=("map.tif",)),
    _target("raster", "odd.tif", "info", "odd.tif"),
    _target("scene", "odd.tif", "predict", "model.pt", "odd.tif", "--out", "map.png", "--overwrite",
            "--bands", "1,1,1,1", "--window", 512, "--device", "cpu", undo=("map.png",)),
)  # fmt: skip


def fuzz(target: Target, fixture: Path, cases: int, rng: random.Random) -> Tally:
    """Give a target mutated files, and judge what its command says."""
    tally, seeds = Tally(), [rng.randrange(1 << 48) for _ in range(cases)]
    while seeds:
        batch, seeds = seeds[:_BATCH], seeds[_BATCH:]
        tried = _fork(target, fixture, batch, tally)
        seeds = batch[tried:] + seeds
    return tally


def judge(result: Result) -> str:
    """Return what is wrong with how a command ended; nothing if all is well."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("dnas: ")]
    if result.exit_code not in CODES:
        return f"exit code {result.exit_code}: {result.stderr[-500:]}"
    if len(lines) != (0 if result.exit_code == 0 else 1):
        return f"{len(lines)} messages: {result.stderr[-500:]}"
    if "Traceback" in result.output or "should not happen" in result.output:
        return result.output[-500:]
    return ""


def _fork(target: Target, fixture: Path, seeds: Sequence[int], tally: Tally) -> int:
    """Try some seeds in a process of their own; return how many were tried."""
    notes = fixture / "notes"
    notes.unlink(missing_ok=True)
    process = os.fork()
    if process == 0:
        try:
            _try_all(target, fixture, seeds, notes)
        except BaseException:  # the rest of the program is the first process's
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(process, 0)
    tried = notes.read_text().splitlines() if notes.exists() else []
    for line in tried:
        note = json.loads(line)
        if "end" not in note:
            continue
        tally.cases += 1
        if note["end"]:
            tally.failed.append(f"{target.name}, seed {note['seed']}: {note['end']}")
        elif note["code"]:
            tally.refused += 1
        else:
            tally.harmless += 1
    finished = sum("end" in json.loads(line) for line in tried)
    if finished < len(seeds):  # the process died in the next one
        tally.cases += 1
        tally.failed.append(
            f"{target.name}, seed {seeds[finished]}: the process ended with status {status}"
        )
        finished += 1
    return finished


def _try_all(target: Target, fixture: Path, seeds: Sequence[int], notes: Path) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process: a hang
    os.chdir(fixture)
    begin = _memory()
    with notes.open("w") as log:
        for seed in seeds:
            signal.alarm(SECONDS)
            started = time.monotonic()
            code, end = try_one(target, fixture, random.Random(seed))
            signal.alarm(0)
            if _memory() - begin > MEMORY:
                end = f"{(_memory() - begin) / 1e9:.1f} GB of memory"
            note = {"seed": seed, "code": code, "end": end, "s": time.monotonic() - started}
            log.write(json.dumps(note) + "\n")
            log.flush()
    os._exit(0)


def try_one(target: Target, fixture: Path, rng: random.Random) -> tuple[int, str]:
    """Run a target once on a mutated file, in the folder of the fixture, and put all back."""
    if target.copy is not None:
        shutil.copytree(fixture / target.copy[0], fixture / target.copy[1])
    path = rng.choice(sorted(fixture.glob(target.file)))
    original = path.read_bytes()
    kept = {name: (fixture / name).read_bytes() for name in _CHANGED if (fixture / name).is_file()}
    odd = sorted(fixture.glob("odd-*.tif"))
    content = rng.choice(odd).read_bytes() if target.file == "odd.tif" and odd else original
    change: Callable[[bytes, random.Random], bytes] = mutate
    if target.values and rng.random() < 0.6:
        change = BY_SUFFIX.get(path.suffix, mutate_values)
    try:
        path.write_bytes(change(content, rng))
        result = dnas(*rng.choice((target.command, *target.others)), code=None)
        return result.exit_code, judge(result)
    finally:
        path.write_bytes(original)
        for name, content in kept.items():
            (fixture / name).write_bytes(content)
        for name in target.undo:
            place = fixture / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)


_CHANGED = ("run/run.json", "run/coding/path.json")


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
