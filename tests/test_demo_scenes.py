"""The synthetic landscapes, their files, and the walkthrough over them."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.enums import ColorInterp
from sklearn.ensemble import HistGradientBoostingClassifier

from dnas_cli.demo import walkthrough
from dnas_cli.demo.landscape import make_landscape
from dnas_cli.demo.layout import GID5
from dnas_cli.demo.scenes import scene_name, scene_paths, write_scenes
from dnas_cli.demo.walkthrough import DemoSize, Step, run_demo, steps
from dnas_cli.errors import DnasError, Interrupted, RunStateError
from dnas_cli.json_files import write_json
from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.scenes.label_encoding import colour_encoding
from tests.support.command_line import dnas

SMALL = DemoSize(scenes=2, size=64, tile_size=32)


def test_the_same_seed_gives_the_same_landscape() -> None:
    image, label = make_landscape(3, 96, 130)
    again, label_again = make_landscape(3, 96, 130)
    other, _ = make_landscape(4, 96, 130)

    assert image.shape == (4, 96, 130)
    assert image.dtype == label.dtype == np.uint8
    assert np.array_equal(image, again)
    assert np.array_equal(label, label_again)
    assert not np.array_equal(image, other)


def test_most_landscapes_hold_all_classes_and_some_unlabelled_area() -> None:
    labels = [make_landscape(seed, 384, 384)[1] for seed in range(8)]
    shares = np.array([[(label == index).mean() for index in range(5)] for label in labels])
    unlabelled = np.array([(label == IGNORE).mean() for label in labels])

    assert (shares > 0.005).all(axis=1).sum() >= 6  # three scenes of four
    assert shares.mean(axis=0).min() > 0.04  # no class is rare over all
    assert unlabelled.min() > 0.01
    assert unlabelled.max() < 0.25


def _pixels(seeds: range) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    values, labels = [], []
    for seed in seeds:
        image, label = make_landscape(seed, 384, 384)
        image, label = image[:, ::2, ::2], label[::2, ::2]  # a sample is enough
        values.append(image[:, label != IGNORE].T)
        labels.append(label[label != IGNORE])
    return np.concatenate(values), np.concatenate(labels)


def test_colour_alone_tells_the_classes_apart_only_in_part() -> None:
    values, labels = _pixels(range(100, 105))
    drawn = np.random.default_rng(0).choice(len(labels), 30_000, replace=False)
    classifier = HistGradientBoostingClassifier(max_iter=25, early_stopping=False)
    classifier.fit(values[drawn], labels[drawn])

    held_out, truth = _pixels(range(200, 203))
    matrix = ConfusionMatrix(5)
    matrix.add(truth, classifier.predict(held_out))
    assert 0.3 < matrix.metrics().mean_iou < 0.62


def test_scenes_are_written_in_gid5s_own_layout(tmp_path: Path) -> None:
    write_scenes(tmp_path, 0, range(2), 64)

    assert scene_name(1) == "GF2_PMS2__L1A0001000001-MSS2"
    image_path, label_path = scene_paths(tmp_path, 0)
    assert image_path == tmp_path / "image_RGBNIR" / "GF2_PMS1__L1A0001000000-MSS1.tif"
    assert label_path.name == "GF2_PMS1__L1A0001000000-MSS1_label.tif"
    with rasterio.open(image_path) as image:
        assert (image.count, image.dtypes[0]) == (4, "uint8")
        assert image.descriptions == ("red", "green", "blue", "nir")
        assert ColorInterp.alpha not in image.colorinterp
        assert image.crs.is_projected
        assert image.res == (4.0, 4.0)
        where = image.bounds
    with rasterio.open(label_path) as label:
        assert label.bounds == where
        colours = label.read().transpose(1, 2, 0)
    _, expected = make_landscape(0, 64, 64)
    assert np.array_equal(colour_encoding(GID5).from_colours(colours)[0], expected)
    assert set(map(tuple, colours[expected == IGNORE].tolist())) <= {(0, 0, 0)}


def test_writing_scenes_again_makes_only_what_is_missing(tmp_path: Path) -> None:
    write_scenes(tmp_path, 0, range(2), 64)
    kept, lost = scene_paths(tmp_path, 0)[0], scene_paths(tmp_path, 1)[1]
    content, before = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    write_scenes(tmp_path, 0, range(2), 64)

    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == before


def test_the_walkthrough_goes_through_every_stage_in_its_folder(tmp_path: Path) -> None:
    lines = [step.line for step in steps(tmp_path, 7, DemoSize())]

    commands = [line.split()[1] for line in lines]
    assert commands == ["tile", "run", "predict"]
    assert all("--seed 7" in line for line in lines[:2])
    places = [Path(word) for line in lines for word in shlex.split(line) if "/" in word]
    assert len(places) > len(lines)
    assert all(place.is_relative_to(tmp_path) for place in places)
    assert not any(step.is_done() for step in steps(tmp_path, 7, DemoSize()))


def _no_steps(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Let the walkthrough consist of one command line."""
    monkeypatch.setattr(walkthrough, "steps", lambda *_: [Step(arguments, is_done=lambda: False)])


def test_a_step_that_fails_stops_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _no_steps(monkeypatch, "status", str(tmp_path / "nothing"))
    with pytest.raises(DnasError, match=r"stopped with exit code 4.*\n.*dnas demo"):
        run_demo(tmp_path / "demo", 0, False, SMALL)

    captured = capfd.readouterr()
    assert captured.out.startswith(f"$ dnas status {tmp_path / 'nothing'}\n")
    assert "no such run directory" in captured.err


def test_an_interrupted_step_interrupts_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_steps(monkeypatch, "x")
    stopped = [sys.executable, "-c", "raise SystemExit(130)"]
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _: start(stopped))
    with pytest.raises(Interrupted, match="Resume with: dnas demo"):
        run_demo(tmp_path / "demo", 0, False, SMALL)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    result = dnas("demo", tmp_path, "--overwrite", code=3)

    assert "is not a demonstration" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_seed_needs_overwrite_which_removes_only_what_the_demonstration_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = tmp_path / "demo"
    monkeypatch.setattr(walkthrough, "steps", lambda *_: [])
    monkeypatch.setattr(walkthrough, "_draw", lambda *_: None)
    write_json(demo / "run" / "eval" / "test.json", {"metrics": {"mean_iou": 0.5}})
    write_json(demo / "demo.json", {"seed": 0, "scenes": 2, "size": 64, "tile_size": 32})
    (demo / "notes.txt").write_text("mine")
    with pytest.raises(RunStateError, match="another seed or size"):
        run_demo(demo, 1, False, SMALL)
    assert (demo / "run").exists()

    monkeypatch.setattr(walkthrough, "_summary", lambda *_: "done")
    run_demo(demo, 1, True, SMALL)
    assert not (demo / "run").exists()
    assert (demo / "notes.txt").read_text() == "mine"
    assert scene_paths(demo / "gid5", 1)[0].is_file()
