"""`dnas eval` used wrongly, or on what does not fit."""

import shutil
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from dnas_cli.app import app
from dnas_cli.model.model_file import Model, save_model
from dnas_cli.run.directory import create_run
from dnas_cli.scenes.palette import LandClass
from dnas_cli.tiles.tile_set import TileSet
from tests.support.evaluating import refused_eval


def test_models_and_tile_sets_that_do_not_fit_are_told_apart(
    run: Path, tiles: TileSet, model: Model, tmp_path: Path, runner: CliRunner
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
        assert message in refused_eval(runner, 4, path, tiles.root)


def test_wrong_use_has_one_clear_message(
    run: Path, tiles: TileSet, tmp_path: Path, runner: CliRunner
) -> None:
    text = tmp_path / "text.pt"
    text.write_text("not a model")
    (tmp_path / "empty").mkdir()
    model = run / "model.pt"

    assert "does not say what to evaluate it on" in refused_eval(runner, 2, model)
    assert "no such file" in refused_eval(runner, 4, tmp_path / "nothing.pt", tiles.root)
    assert "no such run or model" in refused_eval(runner, 4, tmp_path / "nothing")
    assert "text.pt" in refused_eval(runner, 4, text, tiles.root)
    assert "not a run directory" in refused_eval(runner, 4, tmp_path / "empty")
    assert "nothing: is not there" in refused_eval(runner, 4, model, tmp_path / "nothing")
    assert "text.pt: is no folder" in refused_eval(runner, 4, model, text)
    assert "no image" in refused_eval(runner, 4, model, tmp_path / "empty")
    assert "'exam' is not one of" in refused_eval(runner, 2, run, "--split", "exam")
    assert "--references learn from" in refused_eval(
        runner, 2, model, tmp_path / "empty", "--references"
    )
    assert "a tile set knows that itself" in refused_eval(runner, 2, run, "--dataset", "gid5")
    assert "is a file, where a folder is needed" in refused_eval(
        runner, 3, model, tiles.root, "--out", text
    )
    assert "--device abacus" in runner.invoke(app, ["eval", str(run), "--device", "abacus"]).stderr


def test_a_run_without_a_model_names_the_next_command(run: Path, runner: CliRunner) -> None:
    (run / "model.pt").unlink()
    assert "Run: dnas search" in refused_eval(runner, 4, run)


def test_a_changed_tile_set_is_noticed(
    tiles: TileSet, model: Model, tmp_path: Path, runner: CliRunner
) -> None:
    copy = tmp_path / "tiles"
    shutil.copytree(tiles.root, copy)
    create_run(tmp_path / "run", copy, tiles.fingerprint, layers=2, width=4)
    save_model(tmp_path / "run" / "model.pt", model)
    lines = (copy / "test.lst").read_text().splitlines(keepends=True)
    (copy / "test.lst").write_text("".join(lines[1:]))

    assert "it was changed" in refused_eval(runner, 4, tmp_path / "run")
    allowed = runner.invoke(app, ["eval", str(tmp_path / "run"), str(copy), "--device", "cpu"])
    assert allowed.exit_code == 0, allowed.output
