"""The commands that are tortured, each from where the one before it ended."""

import gc
import importlib
import json
import os
import pkgutil
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import dnas_cli
from tests.support.failing_calls import Fault
from tests.support.killing import NEVER, End, Meanwhile, Point, run

CPU = ("--device", "cpu")
HEAD = ("--head", 4)  # checkpoints of 0.2 MB instead of 5
QUICK = ("--epochs", 2, "--logits-from", 2, "--batch", 2, *HEAD, *CPU)
QUICKER = ("--epochs", 1, "--logits-from", 1, "--batch", 2, *HEAD, *CPU)
OFTEN = ("--checkpoint-every", 0)
PLAIN, LOW = ("--memory", "plain"), ("--memory", "low")  # elsewhere fast, as by default
SIZE = ("--layers", 2, "--width", 2)
SCENE = "scenes/image_RGBNIR/GF2_PMS2__L1A0001000001-MSS2.tif"

_LOADED_LATE = (
    "matplotlib.pyplot", "onnx", "onnxruntime", "pyogrio", "shapely", "sklearn.ensemble",
    "sklearn.naive_bayes", "sklearn.tree",
)  # fmt: skip
_LOADED_ALWAYS = (
    "PIL.JpegImagePlugin", "torch._dynamo", "torch.utils.serialization.config", "typer._adapters",
)  # fmt: skip

_FIELDS = """\
images: image_RGBNIR/{scene}.tif
labels: {path: fields.geojson, class_field: crop, background: other}
bands: [red, green, blue, nir]
classes: [wheat, maize, other]
"""


@dataclass(frozen=True)
class Stage:
    """A command, what it starts from and what it makes.

    Attributes:
        name: For the table.
        arguments: Of the command, in the folder of the case.
        makes: The folder to compare, within the folder of the case.
        kills: Most kills per case.
        timed: Files that show how long the work took; only that they exist is compared.
    """

    name: str
    arguments: tuple[object, ...]
    makes: str = "run"
    kills: int = 4
    timed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beginning:
    """A command with the folder it starts in, the folder it ends with, and its end.

    Attributes:
        calls: What it called to change files, in order: a name and a path per call. Numbers and
            random words in paths are left out.
    """

    stage: Stage
    start: Path
    whole: Path
    end: End
    calls: tuple[str, ...] = ()


STAGES = (
    Stage("tile", ("tile", "scenes", "--out", "tiles", "--size", 32, "--workers", 1), "tiles"),
    Stage(
        "search 1",
        ("search", "run", "--stage", 1, "--data", "tiles", *SIZE, *QUICK, *OFTEN, *PLAIN),
    ),
    Stage("decode 1", ("decode", "run", "--stage", 1), kills=1),
    Stage("encode 2", ("encode", "run", "--stage", 2), kills=1),
    Stage("search 2", ("search", "run", "--stage", 2, *QUICK, *OFTEN, *LOW)),
    Stage("decode 2", ("decode", "run", "--stage", 2), kills=1),
    Stage("search 3", ("search", "run", "--stage", 3, *QUICK, *OFTEN)),
    Stage("extend 3", ("search", "run", "--stage", 3, "--extend", 1, *OFTEN), kills=2),
    Stage(
        "restart 3",
        ("search", "run", "--stage", 3, "--restart", "--overwrite", *QUICK, *OFTEN),
        kills=2,
    ),
    Stage("decode 3", ("decode", "run", "--stage", 3), kills=1),
    Stage(
        "candidates",
        ("decode", "run", "--stage", 3, "--candidates", 2, "--branch", "other", *CPU),
        "other",
        2,
    ),
    Stage(
        "branch",
        ("search", "run", "--stage", 3, "--branch", "child", *QUICKER),
        "child",
        2,
    ),
    Stage(
        "retrain",
        ("retrain", "run", "--epochs", 2, "--batch", 4, "--keep", "average", *HEAD, *CPU, *OFTEN,
         *LOW),
    ),
    Stage("eval", ("eval", "run", "--references", *CPU), kills=2),
    Stage("report", ("report", "run", *CPU), kills=2),
    Stage("baseline", ("baseline", "run", "--random", 1, "--seeds", 1, *CPU), kills=3),
    Stage(
        "export",
        ("export", "run/model.pt", "--onnx", "out/model.onnx", "--card", "out/MODEL.md",
         "--stac", "out/model.json"),
        "out", 2,
    ),
    Stage(
        "predict",
        ("predict", "run/model.pt", SCENE, "--out", "maps/map.tif", "--out", "maps/map.png",
         "--out", "maps/map.gpkg", "--confidence", "maps/sure.tif", *CPU),
        "maps",
    ),
    Stage("tile polygons", ("tile", "scenes", "--dataset", "fields.yaml", "--out", "fields",
                            "--size", 32, "--workers", 1), "fields"),
    Stage("suggest", ("suggest", "run", "scenes/image_RGBNIR", "--tiles", 4, "--out",
                      "todo/todo.gpkg", *CPU), "todo", 2),
    Stage(
        "predict more",
        ("predict", "run/model.pt", SCENE, "--out", "more/map.tif", "--areas", "more/areas.csv",
         "--sieve", "20px", "--entropy", "more/entropy.tif", "--stac", "more/map.json", *CPU),
        "more", timed=("map.json",),
    ),
    Stage(
        "change",
        ("change", "maps/map.tif", "more/map.tif", "--out", "changed/change.tif", "--out",
         "changed/change.gpkg", "--table", "changed/change.csv"),
        "changed", 2,
    ),
    Stage("export coding", ("export-coding", "run", "--out", "old"), "old", 1),
    Stage("import", ("import", "old/third_connect.npy", "old/cell_operations.npy", "--out",
                     "imported/architecture.json"), "imported", 1),
    Stage("measure", ("measure", "run", *HEAD, *CPU), kills=1, timed=("times.json",)),
    Stage(
        "tournament",
        ("retrain", "best", "--architecture", "imported/architecture.json", "--data", "tiles",
         "--width", 2, "--tournament", 1, "--epochs", 2, "--batch", 4, *HEAD, *CPU, *OFTEN),
        "best",
    ),
    Stage("run", ("run", "all", "--data", "tiles", "--retrain-epochs", 1, *SIZE, *QUICKER, *OFTEN),
          "all", timed=("report.html",)),
)  # fmt: skip


def write_scenes(folder: Path) -> None:
    """Write four scenes with labels, and polygons that label two fields of each."""
    from dnas_cli.demo.scenes import write_scenes

    write_scenes(folder / "scenes", 0, range(4), 64)
    features = []
    for path in sorted((folder / "scenes/image_RGBNIR").glob("*.tif")):
        import rasterio
        from rasterio.warp import transform

        with rasterio.open(path) as scene:
            west, south, east, north = scene.bounds
            for name, a, b in (("wheat", 0.1, 0.4), ("maize", 0.5, 0.9)):
                x = [west + (east - west) * share for share in (a, b, b, a, a)]
                y = [south + (north - south) * share for share in (a, a, b, b, a)]
                ring = list(zip(*transform(scene.crs, "EPSG:4326", x, y), strict=True))
                features.append({
                    "type": "Feature",
                    "properties": {"crop": name},
                    "geometry": {"type": "Polygon", "coordinates": [ring]},
                })  # fmt: skip
    content = {"type": "FeatureCollection", "features": features}
    (folder / "scenes/fields.geojson").write_text(json.dumps(content))
    (folder / "fields.yaml").write_text(_FIELDS)


def begin(folder: Path, names: list[str]) -> list[Beginning]:
    """Run the named commands, and those before them, once and undisturbed.

    Raises:
        SystemExit: One does not work at all.
    """
    load(len(names) > 4)
    last = max(number for number, stage in enumerate(STAGES) if stage.name in names)
    start, found = folder / "begin", []
    start.mkdir(parents=True)
    process = os.fork()  # forked processes must not inherit threads that libraries start
    if process == 0:
        write_scenes(start)
        os._exit(0)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the scenes could not be made")
    for number, stage in enumerate(STAGES[: last + 1]):
        # Where cases are, as some results name their inputs.
        case, whole = folder / "case", folder / f"whole-{number}"
        shutil.copytree(start, case)
        called = folder / "calls"
        end = run_in(case, stage, fault=Fault(case, names=called))
        case.rename(whole)
        print(f"{stage.name:<24}{end.calls:>6} calls, {end.seconds:.1f} s", flush=True)
        if end.code != 0:
            raise SystemExit(f"{stage.name} does not work at all:\n{end.output}")
        if stage.name in names:
            calls = tuple(map(_kind_of_call, called.read_text().splitlines()))
            found.append(Beginning(stage, start, whole, end, calls))
        start = whole
    return found


def _kind_of_call(line: str) -> str:
    return re.sub(r"\b[0-9a-f]{8}\b|\d+", "#", line)


def load(all_commands: bool) -> None:
    """Load modules once; forked processes then need a moment to begin."""
    for module in pkgutil.walk_packages(dnas_cli.__path__, "dnas_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in (*_LOADED_ALWAYS, *(_LOADED_LATE if all_commands else ())):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a forked process would copy every page that its collector visits


def run_in(
    case: Path,
    stage: Stage,
    point: Point = NEVER,
    fault: Fault | None = None,
    meanwhile: Meanwhile | None = None,
    notes: Path | None = None,
) -> End:
    """Run a command in the folder of a case; its output goes beside that, or into `notes`."""
    before = Path.cwd()
    os.chdir(case)
    arguments = stage.arguments
    if "--extend" in arguments and _is_extended(case):
        arguments = ("search", "run", "--stage", 3, *OFTEN)  # again, it would extend once more
    try:
        return run([str(item) for item in arguments], notes or case.parent, point, fault, meanwhile)
    finally:
        os.chdir(before)


def _is_extended(case: Path) -> bool:
    record = json.loads((case / "run/run.json").read_text())["stages"]["stage3"]
    return bool(record["extensions"])
