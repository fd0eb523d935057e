"""`dnas eval` used wrongly, or on what does not fit."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from dnas_cli.model.model_file import Model, save_model
from dnas_cli.run.directory import create_run
from dnas_cli.scenes.palette import LandClass
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas, start_interpreter


def test_models_and_tile_sets_that_do_not_fit_are_told_apart(
    run: Path, tiles: TileSet, model: Model, tmp_path: Path
) -> None:
    facts = model.facts
    other_bands = replace(facts, bands=("red", "green", "blue", "thermal"))
    other_classes = replace(facts, classes=(*facts.classes[:4], LandClass("sea", (0, 0, 9))))
    for name, changed, message in (
        ("bands", other_bands, "needs red, green, blue, thermal"),
        ("classes", other_classes, "has the classes"),
        ("dtype", replace(facts, dtype="uint16"), "was trained on uint16"),
    ):
        path = tmp_path / f"{name}.pt"
        save_model(path, replace(model, facts=changed))
        assert message in dnas("eval", path, tiles.root, code=4).stderr


def test_wrong_use_has_one_clear_message(run: Path, tiles: TileSet, tmp_path: Path) -> None:
    text = tmp_path / "text.pt"
    text.write_text("not a model")
    (tmp_path / "empty").mkdir()
    model = run / "model.pt"

    assert "does not say what to evaluate it on" in dnas("eval", model, code=2).stderr
    assert "no such file" in dnas("eval", tmp_path / "nothing.pt", tiles.root, code=4).stderr
    assert "no such run or model" in dnas("eval", tmp_path / "nothing", code=4).stderr
    assert "text.pt" in dnas("eval", text, tiles.root, code=4).stderr
    assert "not a run directory" in dnas("eval", tmp_path / "empty", code=4).stderr
    assert "nothing: is not there" in dnas("eval", model, tmp_path / "nothing", code=4).stderr
    assert "text.pt: is not a folder" in dnas("eval", model, text, code=4).stderr
    assert "no image" in dnas("eval", model, tmp_path / "empty", code=4).stderr
    swapped = dnas("eval", tiles.root, model, code=4).stderr
    assert f"{tiles.root}: is a tile set, and {model} is a model file." in swapped
    assert f"comes first: dnas eval {model} {tiles.root}" in swapped
    assert "'exam' is not one of" in dnas("eval", run, "--split", "exam", code=2).stderr
    assert (
        "learn from a training split"
        in dnas("eval", model, tmp_path / "empty", "--references", code=2).stderr
    )
    assert "a tile set knows that itself" in dnas("eval", run, "--dataset", "gid5", code=2).stderr
    assert (
        "is a file, where a folder is needed"
        in dnas("eval", model, tiles.root, "--out", text, code=3).stderr
    )
    assert "--device abacus" in dnas("eval", run, "--device", "abacus", code=2).stderr


def test_a_run_without_a_model_names_the_next_command(run: Path) -> None:
    (run / "model.pt").unlink()
    assert "Run: dnas search" in dnas("eval", run, code=4).stderr


def test_a_changed_tile_set_is_noticed(tiles: TileSet, model: Model, tmp_path: Path) -> None:
    copy = tmp_path / "tiles"
    shutil.copytree(tiles.root, copy)
    create_run(tmp_path / "run", copy, tiles.fingerprint, layers=2, width=4)
    save_model(tmp_path / "run" / "model.pt", model)
    lines = (copy / "test.lst").read_text().splitlines(keepends=True)
    (copy / "test.lst").write_text("".join(lines[1:]))

    assert "it was changed" in dnas("eval", tmp_path / "run", code=4).stderr
    dnas("eval", tmp_path / "run", copy, "--device", "cpu")


def test_figures_need_no_home(run: Path) -> None:
    kept = {name: text for name, text in os.environ.items() if "XDG" not in name}
    process = start_interpreter(
        "eval", run, "--device", "cpu", env=kept | {"HOME": "/proc/nowhere"}
    )
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "atplotlib" not in errors
    assert (run / "eval/confusion.png").is_file()
