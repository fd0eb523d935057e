"""The whole pipeline on synthetic scenes, by the command lines that a user would type."""

import logging
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dnas_cli import console
from dnas_cli.console import logger
from dnas_cli.demo.layout import GID5
from dnas_cli.demo.scenes import scene_paths, write_scenes
from dnas_cli.errors import DnasError, Interrupted, RunStateError
from dnas_cli.json_files import read_json, write_json
from dnas_cli.report.lattice_over_epochs import lattice_deciding, write_deciding
from dnas_cli.report.pictures import class_picture
from dnas_cli.run.directory import open_run
from dnas_cli.scenes.label_encoding import LabelEncoding, tile_encoding
from dnas_cli.scenes.labels import open_label
from dnas_cli.scenes.overlay import natural_colours
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.standard_streams import print_lines

_HELD_OUT = 900  # number of the scene outside all splits
_MADE = ("gid5", "held-out", "tiles", "run")
_MADE_FILES = ("map.tif", "map.tif.aux.xml", "map.png", "map.pgw", "map.prj", "map.png.aux.xml")
_PICTURE = "lattice-and-map.png"
_COLOURS = ("red", "green", "blue")
_RECORD = "demo.json"


@dataclass(frozen=True)
class DemoSize:
    """How large the demonstration is; small enough for two processor cores and four minutes.

    Attributes:
        scenes: Scenes with labels, which are split 6:2:2.
        size: Height and width of a scene in pixels.
        tile_size: Height and width of a tile.
        batch: Tiles per step; more than the preset's, as small tiles leave processors idle.
        retrain_epochs: Epochs of retraining; more than the preset's, as the tiles are few.
    """

    scenes: int = 15
    size: int = 512
    tile_size: int = 128
    batch: int = 8
    retrain_epochs: int = 24


@dataclass(frozen=True)
class Step:
    """One command line.

    Attributes:
        arguments: What follows `dnas`.
        is_done: Whether its results exist.
    """

    arguments: tuple[str, ...]
    is_done: Callable[[], bool]

    @property
    def line(self) -> str:
        """The command as a user types it."""
        return shlex.join(("dnas", *self.arguments))


def run_demo(folder: Path, seed: int, overwrite: bool, size: DemoSize | None = None) -> None:
    """Make synthetic scenes, run every stage on them, and show a map beside its labels.

    Finished steps are skipped, so that an interrupted demonstration resumes.

    Args:
        folder: The folder of all results.
        seed: Of the scenes, the split and the training.
        overwrite: Remove an earlier demonstration in `folder`.

    Raises:
        RunStateError: `folder` holds other files, or a demonstration of another seed.
        Interrupted: The user stopped it.
        DnasError: A step failed and has printed its error.
    """
    began = time.monotonic()
    size = size or DemoSize()
    _claim(folder, seed, size, overwrite)
    with console.progress("making scenes", size.scenes + 1, "scene") as advance:
        write_scenes(folder / "gid5", seed, range(size.scenes), size.size, advance)
        write_scenes(folder / "held-out", seed, range(_HELD_OUT, _HELD_OUT + 1), size.size, advance)
    for step in steps(folder, seed, size):
        if step.is_done():
            print_lines(f"$ {step.line}  # already done")
        else:
            print_lines(f"$ {step.line}")
            _execute(step, folder)
    _draw(folder)
    print_lines(*_summary(folder, size, time.monotonic() - began))


def steps(folder: Path, seed: int, size: DemoSize) -> list[Step]:
    """Return the command lines of the whole pipeline, in order."""
    tiles, run = folder / "tiles", folder / "run"
    scene, _ = scene_paths(folder / "held-out", _HELD_OUT)

    def has(*paths: Path) -> Callable[[], bool]:
        return lambda: all(path.is_file() for path in paths)

    return [
        _step(
            has(tiles / "dataset.json"),
            "tile", folder / "gid5", "--out", tiles,
            "--size", size.tile_size, "--seed", seed,
        ),
        _step(
            has(run / "model.pt", run / "eval" / "test.json", run / "report.html"),
            "run", run, "--data", tiles, "--preset", "quick", "--seed", seed,
            "--batch", size.batch, "--learning-rate", 0.004, "--augment", "photometric",
            "--retrain-epochs", size.retrain_epochs,
        ),
        _step(
            has(folder / "map.tif", folder / "map.png"),
            "predict", run / "model.pt", scene,
            "--out", folder / "map.tif", "--out", folder / "map.png",
        ),
    ]  # fmt: skip


def _step(is_done: Callable[[], bool], *arguments: object) -> Step:
    return Step(tuple(str(argument) for argument in arguments), is_done)


def _claim(folder: Path, seed: int, size: DemoSize, overwrite: bool) -> None:
    """Mark the folder as a demonstration, or check that it is the same one.

    Raises:
        RunStateError: It holds something else.
    """
    record = folder / _RECORD
    wanted = {"seed": seed, **asdict(size)}
    if record.is_file():
        if read_json(record) == wanted and not overwrite:
            return
        if not overwrite:
            raise RunStateError(
                f"{folder}: holds a demonstration with another seed or size.",
                "Name another folder, or give --overwrite to start it over.",
            )
        _remove(folder)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunStateError(
            f"{folder}: exists and is not a demonstration.", "Name a folder that does not exist."
        )
    write_json(record, wanted)


def _remove(folder: Path) -> None:
    """Remove the files of a demonstration, and nothing else."""
    for name in _MADE:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
    for name in (*_MADE_FILES, _PICTURE):
        (folder / name).unlink(missing_ok=True)


def _execute(step: Step, folder: Path) -> None:
    command = [sys.executable, "-m", "dnas_cli", *step.arguments, *_verbosity()]
    process = subprocess.Popen(command)
    code = _wait(process)
    if code in (130, -2):
        raise Interrupted("The demonstration was interrupted.", f"Resume with: dnas demo {folder}")
    if code != 0:
        raise DnasError(
            f"`{step.line}` stopped with exit code {code}; its message is above.",
            f"After removing the cause, resume with: dnas demo {folder}",
        )


def _verbosity() -> list[str]:
    if console.shows(logging.DEBUG):
        return ["--verbose"]
    return [] if console.shows(logging.INFO) else ["--quiet"]


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a step to end; Ctrl-C also reaches it, and it gets time to save."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            logger.debug("waiting for the step to save its state")


def _draw(folder: Path) -> None:
    image_path, label_path = scene_paths(folder / "held-out", _HELD_OUT)
    with open_raster(image_path, bands=_COLOURS) as scene:
        whole = Window(0, 0, scene.height, scene.width)
        image, valid = scene.read_with_validity(whole)
    with open_label(label_path, LabelEncoding("colour", GID5)) as label:
        truth, _ = label.read(whole)
    with open_label(folder / "map.png", tile_encoding(GID5)) as mapped:
        prediction, _ = mapped.read(whole)
    pictures = [
        ("a scene that the network never saw", natural_colours(image, valid, _COLOURS)),
        ("its labels", class_picture(truth, GID5)),
        ("its map", class_picture(prediction, GID5)),
    ]
    lattice = lattice_deciding(open_run(folder / "run"), 1)
    write_deciding(folder / _PICTURE, lattice, pictures, GID5)


def _summary(folder: Path, size: DemoSize, seconds: float) -> list[str]:
    run = folder / "run"
    metrics = read_json(run / "eval" / "test.json")["metrics"]
    lines = [
        (folder / "gid5", f"{size.scenes} scenes with labels, in GID-5's layout"),
        (folder / "held-out", "a scene outside all splits"),
        (folder / "tiles", f"the tile set, {size.tile_size} pixels, train, val and test"),
        (run / "coding" / "architecture.json", "the architecture found"),
        (run / "model.pt", "the trained model: everything that `dnas predict` needs"),
        (run / "eval" / "test.json", f"figures on the test split: mIoU {metrics['mean_iou']:.3f}"),
        (run / "report.html", "all figures, curves and errors on one page"),
        (folder / "map.tif", "the map of the held-out scene, with CRS"),
        (folder / "map.png", "the same as a palette image"),
        (folder / _PICTURE, "the lattice deciding; scene, labels and map"),
    ]
    width = max(len(str(path)) for path, _ in lines)
    minutes, rest = divmod(round(seconds), 60)
    return [
        "",
        f"Done in {minutes} min {rest:02d} s. Made:",
        *(f"  {path!s:{width}}  {what}" for path, what in lines),
    ]
