"""From tiles to a model by the command line, and what is refused on the way."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from dnas_cli.model.model_file import load_model
from dnas_cli.run.directory import open_run
from dnas_cli.space.coding import PathCoding
from tests.support.command_line import dnas, rows
from tests.support.small_runs import RETRAIN, SEARCH


@pytest.fixture(scope="module")
def finished(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is retrained, for tests that repeat its commands."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("runs") / "run"))


def test_every_stage_leaves_history_logits_and_a_coding(finished: Path) -> None:
    for stage, coding in ((1, "path"), (2, "connections"), (3, "architecture")):
        folder = finished / "search" / f"stage{stage}"
        history = rows(folder / "history.jsonl")
        assert [row["epoch"] for row in history] == [0, 1]
        assert {"loss", "val", "learning_rate", "entropy", "decoded", "seconds"} <= set(history[0])
        assert "logit_loss" not in history[0]
        assert "logit_loss" in history[1]
        logits = rows(folder / "logits.jsonl")
        assert logits[0]["logits"].keys() == logits[1]["logits"].keys()
        assert logits[0]["logits"] != logits[1]["logits"]
        document = json.loads((finished / "coding" / f"{coding}.json").read_text())
        space = json.loads((finished / "coding" / f"stage{stage}.json").read_text())
        assert document["derived_from"] == space["hash"]


def test_a_decoding_ends_with_the_command_of_the_next_stage(finished: Path, tmp_path: Path) -> None:
    for stage, following in (
        (1, "search {} --stage 2"),
        (2, "search {} --stage 3"),
        (3, "retrain {}"),
    ):
        child = tmp_path / f"{stage}"
        said = dnas("decode", finished, "--stage", stage, "--branch", child).stderr
        assert said.splitlines()[-1] == f"Next: dnas {following.format(child)}"


def test_what_would_be_decoded_in_the_last_epoch_is_what_is_decoded(finished: Path) -> None:
    last = rows(finished / "search/stage1/history.jsonl")[-1]
    assert (
        json.loads((finished / "coding/path.json").read_text())["path"] == (last["decoded"]["path"])
    )


def test_the_model_file_holds_all_that_using_it_needs(trained: Path, tiny_tiles: Path) -> None:
    model = load_model(trained / "model.pt", torch.device("cpu"))
    assert model.facts.bands == ("red", "green", "blue", "nir")
    assert [item.name for item in model.facts.classes] == [
        "built-up",
        "farmland",
        "forest",
        "meadow",
        "water",
    ]
    assert model.architecture == open_run(trained).architecture()
    content = torch.load(trained / "model.pt", weights_only=True)
    assert content["facts"]["provenance"]["epoch"] in (1, 2)
    with torch.no_grad():
        assert model.network(torch.zeros(1, 4, 40, 33)).shape == (1, 5, 40, 33)


def test_the_model_gets_the_best_epoch_or_the_last_as_asked(finished: Path, tmp_path: Path) -> None:
    for keep in ("best", "last"):
        run = tmp_path / keep
        # The learning rate grows wild, so that the best epoch is not the last.
        dnas(
            "retrain", finished, "--branch", run, "--epochs", 3, "--batch", 4, "--keep", keep,
            "--learning-rate", 0.5, "--validate-every", 1, "--device", "cpu",
        )  # fmt: skip
        model = load_model(run / "model.pt", torch.device("cpu"))
        scores = [row["val"]["mean_iou"] for row in rows(run / "retrain/history.jsonl")]
        epoch = scores.index(max(scores)) if keep == "best" else 2
        assert model.facts.provenance["epoch"] == epoch + 1
        assert model.facts.provenance["val_mean_iou"] == scores[epoch]
        kept = torch.load(run / f"retrain/{keep}.pt", weights_only=True)["network"]
        assert all(torch.equal(kept[k], v) for k, v in model.network.state_dict().items())


def test_a_model_of_crops_says_so_and_maps_by_windows_of_their_size(
    finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "crops"
    result = dnas("retrain", finished, "--branch", run, *RETRAIN, "--crop", 16)
    assert "--crop 16: is smaller than the tiles of 32 px" in result.stderr
    assert load_model(run / "model.pt", torch.device("cpu")).facts.tile_size == 16
    whole = dnas("retrain", finished, "--branch", tmp_path / "whole", *RETRAIN, "--crop", 32)
    assert "is smaller than the tiles" not in whole.stderr


def test_status_names_the_next_command_at_every_step(finished: Path, tmp_path: Path) -> None:
    summary = json.loads(dnas("status", finished, "--json").stdout)
    assert summary["stages"]["stage2"]["state"] == "decoded"
    assert summary["stages"]["stage2"]["epochs"] == 2
    assert "best" in summary["stages"]["stage1"]
    text = dnas("status", finished).stdout
    assert "operators" in text
    assert summary["next"] in text
    branch = tmp_path / "branch"
    dnas("encode", finished, "--stage", 2, "--branch", branch)
    assert json.loads(dnas("status", branch, "--json").stdout)["next"] == (
        f"dnas search {branch} --stage 2"
    )


def test_the_next_command_needs_no_preset_because_the_run_keeps_it(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    quick = ("--preset", "quick", "--epochs", 2, "--logits-from", 2)
    dnas("search", run, "--stage", 1, "--data", tiny_tiles, "--layers", 3, "--width", 4, *quick)
    dnas("decode", run, "--stage", 1)
    following = f"dnas search {run} --stage 2\n"
    assert following in dnas("status", run).stdout
    assert following in dnas("retrain", run, code=3).stderr
    assert json.loads((run / "run.json").read_text())["stages"]["stage1"]["preset"] == "quick"


def test_figures_of_the_model_before_are_told_apart_after_more_training(
    finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # Of the last epoch: the best may stay the best, and within a second the file is the same then.
    dnas("retrain", finished, "--branch", run, *RETRAIN, "--keep", "last")
    dnas("eval", run)
    (run / "eval/.test.0123abcd.part.json").write_text("{")  # another command writes it
    assert re.search(r"evaluated +test\n", dnas("status", run).stdout)
    assert "is evaluated already" in dnas("eval", run).stderr
    extended = dnas("retrain", run, "--extend", 1)
    assert f"Next: dnas eval {run} --overwrite" in extended.stderr
    assert "test (of another model)" in dnas("status", run).stdout
    dnas("eval", run, code=3)
    dnas("eval", run, "--overwrite")
    assert "dnas predict" in json.loads(dnas("status", run, "--json").stdout)["next"]


def test_finished_stages_are_left_alone(finished: Path) -> None:
    before = (finished / "search/stage1/last.pt").read_bytes()
    result = dnas("search", finished, "--stage", 1)
    assert "finished already" in result.stderr
    assert (finished / "search/stage1/last.pt").read_bytes() == before


def test_decoding_again_gives_the_same_and_another_epoch_is_refused(finished: Path) -> None:
    dnas("decode", finished, "--stage", 1)
    document = json.loads(dnas("decode", finished, "--stage", 1, "--json").stdout)
    assert document["schema"] == "dnas/path-coding"
    message = dnas("decode", finished, "--stage", 1, "--epoch", 9, code=2).stderr
    assert "epochs 1 to 2" in message
    assert "last, best" in dnas("decode", finished, "--stage", 1, "--epoch", "first", code=2).stderr


def test_a_branch_takes_over_finished_stages_and_leaves_its_parent_alone(
    finished: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in sorted(finished.rglob("*")) if path.is_file()}
    child = tmp_path / "child"
    dnas("search", finished, "--stage", 2, "--branch", child, *SEARCH, "--seed", 7)
    assert open_run(child).manifest.lineage is not None
    assert open_run(child).manifest.stages["stage2"].settings["seed"] == 7
    assert (child / "coding/path.json").read_bytes() == (finished / "coding/path.json").read_bytes()
    assert not (child / "coding/connections.json").exists()
    after = {path: path.read_bytes() for path in sorted(finished.rglob("*")) if path.is_file()}
    assert before == after
    assert "branch of" in dnas("status", child).stdout


def test_a_branch_is_never_made_over_something(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    message = dnas("encode", finished, "--stage", 2, "--branch", tmp_path, code=3).stderr
    assert "exists already" in message
    assert (tmp_path / "file").read_text() == "mine"


def test_another_setting_for_a_searched_stage_is_refused(finished: Path) -> None:
    message = dnas("search", finished, "--stage", 1, "--epochs", 5, code=3).stderr
    assert "epochs 2 (now 5)" in message


def test_starting_over_is_refused_when_later_stages_were_built_on_it(finished: Path) -> None:
    message = dnas(
        "search", finished, "--stage", 1, "--restart", "--overwrite", *SEARCH, code=3
    ).stderr
    assert "--branch" in message


def test_stages_out_of_order_are_refused_with_the_next_command(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert "no such run" in dnas("search", run, "--stage", 2, code=4).stderr
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, "--layers", 3, "--width", 4)
    assert f"dnas search {run} --stage 1" in dnas("search", run, "--stage", 2, code=3).stderr
    assert f"dnas search {run} --stage 1" in dnas("decode", run, "--stage", 1, code=3).stderr
    assert f"dnas search {run} --stage 1" in dnas("retrain", run, code=3).stderr
    assert f"dnas search {run} --stage 1" in dnas("encode", run, "--stage", 2, code=4).stderr
    assert not (run / "retrain").exists()


def test_a_new_run_needs_its_tile_set(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert "--data TILES" in dnas("search", run, "--stage", 1, code=2).stderr
    assert (
        "no such folder"
        in dnas("search", run, "--stage", 1, "--data", tmp_path / "none", code=4).stderr
    )
    assert "no tile set" in dnas("encode", run, "--stage", 1, "--data", tmp_path, code=4).stderr
    assert not run.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--layers", 1),
        ("--layers", 1000),
        ("--width", 7),
        ("--width", 0),
    ],
)
def test_impossible_sizes_are_refused(
    tiny_tiles: Path, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    run = tmp_path / "run"
    for command in ("encode", "search"):
        dnas(command, run, "--stage", 1, "--data", tiny_tiles, *arguments, code=2)
        assert not run.exists()


@pytest.mark.parametrize("width", [1, 3, 2048])
def test_an_impossible_width_of_retraining_is_refused_and_leaves_no_branch(
    finished: Path, tmp_path: Path, width: int
) -> None:
    child = tmp_path / "child"
    message = dnas(
        "retrain", finished, "--branch", child, *RETRAIN, "--width", width, code=2
    ).stderr
    assert "width must be" in message
    assert not child.exists()


def test_a_fourth_stage_does_not_exist(tiny_tiles: Path, tmp_path: Path) -> None:
    dnas("search", tmp_path / "run", "--stage", 4, "--data", tiny_tiles, code=2)


def test_stage_three_needs_two_tiles_per_batch(finished: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    message = dnas("search", finished, "--stage", 3, "--branch", child, "--batch", 1, code=2).stderr
    assert "global_average_pool" in message


def test_an_unknown_device_is_refused(finished: Path) -> None:
    assert (
        "--device tpu" in dnas("search", finished, "--stage", 1, "--device", "tpu", code=2).stderr
    )
    if not torch.cuda.is_available():
        dnas("retrain", finished, "--device", "cuda", code=2)


def test_a_changed_tile_set_is_noticed(tiny_tiles: Path, tmp_path: Path) -> None:
    tiles, run = tmp_path / "tiles", tmp_path / "run"
    shutil.copytree(tiny_tiles, tiles)
    dnas("encode", run, "--stage", 1, "--data", tiles, "--layers", 3, "--width", 4)
    lines = (tiles / "train.lst").read_text().splitlines(keepends=True)
    (tiles / "train.lst").write_text("".join(lines[:-1]))
    message = dnas("search", run, "--stage", 1, *SEARCH, code=4).stderr
    assert "content has changed" in message
    shutil.rmtree(tiles)
    assert str(tiles) in dnas("search", run, "--stage", 1, *SEARCH, code=4).stderr


def test_run_and_tile_set_can_move_together(tiny_tiles: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    shutil.copytree(tiny_tiles, here / "tiles")
    dnas(
        "encode", here / "run", "--stage", 1, "--data", here / "tiles", "--layers", 3, "--width", 4
    )
    here.rename(tmp_path / "there")
    dnas("search", tmp_path / "there/run", "--stage", 1, *SEARCH)


def test_an_edited_coding_is_refused(finished: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    dnas("encode", finished, "--stage", 2, "--branch", child)
    path = child / "coding/path.json"
    document = json.loads(path.read_text())
    document["path"] = [0, 0, 0] if document["path"] != [0, 0, 0] else [0, 1, 1]
    path.write_text(json.dumps(document))
    assert "edited or damaged" in dnas("search", child, "--stage", 2, *SEARCH, code=4).stderr


def test_a_coding_that_does_not_descend_from_the_runs_own_is_refused(
    finished: Path, tmp_path: Path
) -> None:
    """A whole coding, hash and all, that was decoded elsewhere."""
    child = tmp_path / "child"
    dnas("encode", finished, "--stage", 2, "--branch", child)
    PathCoding((0, 0, 0), derived_from="sha256:" + "0" * 64).write(child / "coding/path.json")
    assert "does not descend from" in dnas("search", child, "--stage", 2, *SEARCH, code=4).stderr


def test_settings_that_cannot_work_leave_no_run_behind(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dnas("search", run, "--stage", 1, "--data", tiny_tiles, "--learning-rate", -1, code=2)
    assert not run.exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "not a run directory" in dnas("status", tmp_path, code=4).stderr
    (tmp_path / "run.json").write_text("{}")
    assert "not the manifest" in dnas("status", tmp_path, code=4).stderr
    (tmp_path / "run.json").write_text('{"schema": "dnas/run", "version": 99}')
    assert "another version" in dnas("status", tmp_path, code=4).stderr


def test_help_fits_a_screen_and_names_every_command() -> None:
    result = dnas("--help")
    for command in ("tile", "encode", "search", "decode", "retrain", "eval", "predict", "status"):
        assert f"│ {command} " in result.output
    assert len(result.output.splitlines()) < 50
    dnas("search", "--help")
