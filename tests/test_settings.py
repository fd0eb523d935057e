"""Settings: where they come from, and what is refused."""

import json
import re
from dataclasses import asdict, fields
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.run.settings import RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.typed_fields import option_of, spelled
from tests.support.command_line import dnas
from tests.support.small_runs import first_search

ROOT = Path(__file__).resolve().parents[1]


def test_a_setting_that_came_after_a_stage_began_has_its_default_there() -> None:
    quick = SettingsChoice("quick")
    stored = asdict(quick.resolve(RetrainSettings, {}))
    del stored["keep"]
    assert quick.resolve(RetrainSettings, stored).keep == "best"
    with pytest.raises(RunStateError, match=r"keep best \(now last\)"):
        SettingsChoice("quick", flags={"keep": "last"}).resolve(RetrainSettings, stored)


def test_the_defaults_are_the_paper_s() -> None:
    search = SettingsChoice("paper", None, {}).resolve(SearchSettings, {})
    assert (search.epochs, search.weight_epochs, search.batch) == (60, 20, 2)
    assert (search.learning_rate, search.final_learning_rate) == (0.025, 0.001)
    assert (search.momentum, search.weight_decay) == (0.9, 3e-4)
    assert (search.logit_learning_rate, search.logit_weight_decay) == (3e-3, 1e-3)
    assert SettingsChoice("paper", None, {}).resolve(RetrainSettings, {}).epochs == 200


def test_flags_go_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 7\nlogits-from: 2\nbatch: 3\n")
    settings = SettingsChoice("quick", file, {"batch": 5, "seed": None}).resolve(SearchSettings, {})
    assert (settings.epochs, settings.weight_epochs, settings.batch) == (7, 1, 5)
    assert settings.augment == "scale"  # of the preset


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epoch: 7\n")
    with pytest.raises(DataError, match=r"settings\.yaml: unknown setting epoch") as caught:
        SettingsChoice("paper", file, {}).resolve(SearchSettings, {})
    assert "Did you mean epochs?" in str(caught.value)


def test_a_value_of_the_wrong_type_in_a_file_is_shown_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: many\n")
    with pytest.raises(DataError, match=r"settings\.yaml: epochs 'many' is not a whole number"):
        SettingsChoice("paper", file, {}).resolve(SearchSettings, {})


def test_a_value_that_cannot_work_is_shown_with_the_file_that_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("logits-from: 15\n")
    together = SettingsChoice("quick", file, {"epochs": 20}).resolve(SearchSettings, {})
    assert together.weight_epochs == 14
    with pytest.raises(DataError, match=r"settings\.yaml: settings: logits-from \(15\) must be"):
        SettingsChoice("quick", file, {}).resolve(SearchSettings, {})
    file.write_text("logits-from: 5\n")
    with pytest.raises(UsageError, match=r"^settings: batch must be at least 1"):
        SettingsChoice("quick", file, {"batch": 0}).resolve(SearchSettings, {})
    file.write_text("logits-from: 5\nbatch: 0\n")
    with pytest.raises(DataError, match=r"settings\.yaml: settings: batch must be at least 1"):
        SettingsChoice("paper", file, {"epochs": 10}).resolve(SearchSettings, {})


@pytest.mark.parametrize("text", ["epochs: [", "- 1", "3", "? {a: 1} : 2", "!!python/none x"])
def test_files_that_are_no_settings_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(DataError, match=r"settings\.yaml"):
        SettingsChoice("paper", file, {}).resolve(SearchSettings, {})


@pytest.mark.parametrize(
    "flags",
    [
        {"epochs": 0},
        {"logits_from": 61},  # logits would never learn
        {"logits_from": 0},
        {"epochs": "many"},
        {"epochs": True},
        {"batch": 0},
        {"crop": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"final_learning_rate": 1.0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"loss": "hinge"},
        {"augment": "cutout"},
        {"validate_every": 0},
        {"seed": -1},
    ],
)
def test_values_that_cannot_work_are_refused(flags: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SettingsChoice("paper", None, flags).resolve(SearchSettings, {})


def test_a_stage_keeps_the_settings_it_was_started_with() -> None:
    stored = asdict(SettingsChoice("quick", None, {"seed": 3}).resolve(SearchSettings, {}))
    settings = SettingsChoice("paper", None, {"seed": 3}).resolve(SearchSettings, stored)
    assert settings == SettingsChoice("quick", None, {"seed": 3}).resolve(SearchSettings, {})


def test_other_settings_for_a_started_stage_are_refused_with_the_difference() -> None:
    stored = asdict(SettingsChoice("paper", None, {}).resolve(SearchSettings, {}))
    with pytest.raises(RunStateError, match=r"batch 2 \(now 4\)") as caught:
        SettingsChoice("paper", None, {"batch": 4, "epochs": 60}).resolve(SearchSettings, stored)
    assert "branch=NEW_RUN" in str(caught.value)


@pytest.mark.parametrize(
    ("command", "kind"), [("search", SearchSettings), ("retrain", RetrainSettings)]
)
def test_every_setting_is_an_option_with_help_and_a_row_of_the_manual(
    command: str, kind: type[TrainingSettings]
) -> None:
    shown = dnas(command, "--help").stdout
    manual = run_path(str(ROOT / "docs/settings_page.py"))["page"]()
    for item in fields(kind):
        assert option_of(item).help
        assert re.search(rf"--{spelled(item.name)}[\s,]", shown), item.name
        assert f"| `{spelled(item.name)}` |" in manual


def test_a_setting_reaches_a_run_by_its_option_and_by_its_key(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("weight-decay: 0.02\nmomentum: 0.8\n")
    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles), "--settings", file, "--momentum", 0.7, code=0)
    stored = json.loads((run / "run.json").read_text())["stages"]["stage1"]["settings"]
    assert (stored["weight_decay"], stored["momentum"]) == (0.02, 0.7)
    refused = dnas(*first_search(tmp_path / "other", tiny_tiles), "--momentum", 1, code=2)
    assert "momentum must be below 1, not 1.0" in refused.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("epochs", "before"), [(1, 0), (2, 1), (6, 2), (60, 20)])
def test_logits_learn_from_a_share_of_the_epochs_and_always_in_the_last(
    epochs: int, before: int
) -> None:
    assert SearchSettings(epochs=epochs).weight_epochs == before
    named = SettingsChoice(flags={"epochs": epochs, "logits_from": before + 1})
    assert named.resolve(SearchSettings, {}).weight_epochs == before


def test_the_two_names_of_the_warm_up_replace_each_other(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 8\nlogits-from: 3\n")
    assert SettingsChoice(None, file).resolve(SearchSettings, {}).warmup == 0.25
    over = SettingsChoice(None, file, {"warmup": 0.5}).resolve(SearchSettings, {})
    assert over.weight_epochs == 4


def _settings(run: Path, stage: str) -> dict[str, Any]:
    stored = json.loads((run / "run.json").read_text())["stages"][stage]["settings"]
    assert isinstance(stored, dict)
    return stored


def test_what_stage_1_was_given_holds_until_another_value_is_given(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, child = tmp_path / "run", tmp_path / "child"
    small = ("--layers", 2, "--width", 2, "--head", 8, "--batch", 4, "--device", "cpu")
    given = ("--preset", "quick", *small, "--epochs", 1, "--seed", 3, "--recipe", "strong")
    dnas("search", run, "--stage", 1, "--data", tiny_tiles, *given)
    dnas("decode", run, "--stage", 1)
    dnas("search", run, "--stage", 2, "--device", "cpu", "--epochs", 2)
    first, second = _settings(run, "stage1"), _settings(run, "stage2")
    assert second == first | {"epochs": 2}
    dnas("decode", run, "--stage", 2)
    dnas("search", run, "--stage", 2, "--branch", child, "--seed", 7, "--device", "cpu")
    assert _settings(child, "stage2") == second | {"seed": 7}
    dnas("decode", child, "--stage", 2)
    dnas("search", child, "--stage", 3, "--device", "cpu")
    assert _settings(child, "stage3") == first | {"seed": 7}
    dnas("decode", child, "--stage", 3)
    dnas("retrain", child, "--device", "cpu", "--epochs", 1, "--keep", "last")
    own = {"epochs", "seed", "epoch_steps"}
    shared = {item.name for item in fields(TrainingSettings)} - own
    kept = _settings(child, "retrain")
    assert {key: kept[key] for key in shared} == {key: first[key] for key in shared}
    assert (kept["seed"], kept["epochs"], kept["keep"]) == (7, 1, "last")


def test_a_run_that_named_its_settings_otherwise_keeps_their_meaning(searched: Path) -> None:
    from dnas_cli.run.manifest import Manifest

    stored = json.loads((searched / "run.json").read_text())
    del stored["settings"]
    settings = stored["stages"]["stage1"]["settings"]
    del settings["warmup"], settings["rate_warm_up"]
    settings |= {"epochs": 60, "logits_from": 20, "warm_up": 0.05}
    stored["stages"]["stage1"]["preset"] = "quick"
    manifest = Manifest.from_json(stored, "run.json")
    resumed = SettingsChoice().resolve(SearchSettings, manifest.stages["stage1"].settings)
    assert (resumed.weight_epochs, resumed.rate_warm_up) == (20, 0.05)
    assert manifest.settings.all.preset == "quick"
