"""`--dry-run` and `--memory`: what a stage will take, and how it is made to fit."""

import json
import re
from pathlib import Path

import pytest
import torch

from dnas_cli.nets.network import NetworkShape, build_derived, build_supernet
from dnas_cli.nets.step_estimate import estimate_step
from dnas_cli.run.settings import RetrainSettings, SearchSettings
from dnas_cli.space.assumed import assumed_architecture, assumed_connections, assumed_path
from dnas_cli.space.coding import ArchitectureCoding, ConnectionCoding, third_space
from dnas_cli.space.lattice import prune
from dnas_cli.stages import fitting_mode as choosing
from dnas_cli.stages.expected_network import RETRAINING, expected_network
from tests.support.command_line import dnas
from tests.support.small_runs import RETRAIN, SEARCH, first_search

STAGES = ["stage 1", "stage 2", "stage 3", "retraining"]
CODINGS = Path(__file__).resolve().parents[1] / "benchmarks" / "codings"


def _columns(text: str) -> dict[str, dict[str, str]]:
    """Return the facts of every stage by their titles."""
    head, _, *lines = text.partition("\n\n")[0].splitlines()
    names = re.split(r"\s{2,}", head.strip())
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for line in lines:
        title, *cells = re.split(r"\s{2,}", line.strip())
        for name, cell in zip(names, cells, strict=True):
            found[name][title] = cell
    return found


def test_a_dry_run_estimates_every_stage_and_writes_nothing(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = dnas(*first_search(run, tiny_tiles, "--dry-run"))
    stages = _columns(result.stdout)
    assert list(stages) == STAGES
    for facts in stages.values():
        assert (facts["memory"], facts["a step"]) == ("fast", "4 x 32 px")
        assert facts["time of a step"].endswith(" s")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "stage 3: estimated for a path along the second scale, half of" in result.stdout
    assert "stage 1: estimated" not in result.stdout
    assert not run.exists()


def test_what_is_decoded_is_not_assumed(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles))
    dnas("decode", run, "--stage", 1)
    before = sorted(str(path) for path in run.rglob("*"))
    result = dnas("search", run, "--stage", 2, "--preset", "quick", "--batch", 2, "--dry-run")
    assert list(_columns(result.stdout)) == STAGES[1:]
    assert "stage 2: estimated" not in result.stdout
    assert "stage 3: estimated for half of the connections below the path" in result.stdout
    assert sorted(str(path) for path in run.rglob("*")) == before


def test_retraining_is_estimated_from_a_coding_without_a_run(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    coding = tmp_path / "architecture.json"
    assumed_architecture(assumed_connections(assumed_path(3))).write(coding)
    command = ("retrain", tmp_path / "run", "--dry-run", *RETRAIN)
    result = dnas(*command, "--architecture", coding, "--data", tiny_tiles, "--width", 4)
    assert list(_columns(result.stdout)) == ["retraining"]
    assert not (tmp_path / "run").exists()
    assert "a new run needs its tile set" in dnas(*command, code=2).stderr


def test_what_the_stage_itself_would_refuse_is_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    coding = tmp_path / "architecture.json"
    graph = assumed_connections(assumed_path(3)).graph
    ArchitectureCoding(graph, (("global_average_pool",),) * len(graph.nodes)).write(coding)
    command = ("retrain", tmp_path / "run", "--architecture", coding, "--data", tiny_tiles)
    assert "must hold two" in dnas(*command, "--batch", 1, "--dry-run", code=2).stderr


def test_a_stage_that_starts_over_is_estimated_with_other_settings(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles))
    command = ("search", run, "--stage", 1, *SEARCH, "--batch", 2, "--dry-run")
    assert "--restart" in dnas(*command, code=3).stderr
    for start in (("--restart", "--overwrite"), ("--branch", tmp_path / "other")):
        stages = _columns(dnas(*command, *start).stdout)
        assert stages["stage 1"]["a step"] == "2 x 32 px"
    assert not (tmp_path / "other").exists()


def test_what_does_not_fit_is_said_and_not_measured(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "free_memory", lambda device: 1000)
    result = dnas(*first_search(tmp_path / "run", tiny_tiles, "--dry-run"))
    for facts in _columns(result.stdout).values():
        assert (facts["memory"], facts["time in all"]) == ("low", "does not fit")


def test_a_stage_is_executed_low_where_memory_is_short_and_continues_so(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(choosing, "free_memory", lambda device: 1000)
        result = dnas(*first_search(run, tiny_tiles))
    assert "--memory low is used" in result.stderr
    assert "A smaller batch or crop needs less" in result.stderr
    assert _memory(run) == "low"
    dnas("search", run, "--stage", 1, "--extend", 1)
    assert _memory(run) == "low"
    again = dnas("search", run, "--stage", 1, "--extend", 1, "--memory", "plain")
    assert "resumes with --memory plain, not low: the same but for rounding" in again.stderr
    assert _memory(run) == "plain"


def test_a_memory_that_is_unknown_here_is_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles))
    manifest = json.loads((run / "run.json").read_text())
    manifest["stages"]["stage1"]["memory"] = "tiny"
    (run / "run.json").write_text(json.dumps(manifest))
    assert "'tiny'" in dnas("search", run, "--stage", 1, "--extend", 1, code=3).stderr


def test_assumed_networks_take_what_published_ones_do_or_somewhat_more() -> None:
    architecture = ArchitectureCoding.read(CODINGS / "L12.json")
    layers, shape = architecture.graph.layers, NetworkShape(40, 4, 5)
    published = ConnectionCoding(architecture.graph)
    assumed = assumed_connections(assumed_path(layers))
    assert prune(assumed.graph) == assumed.graph
    with torch.device("meta"):
        pairs = [
            (
                build_supernet(third_space(published), shape),
                expected_network(None, layers, 3, shape).network,
            ),
            (
                build_derived(architecture, shape),
                expected_network(None, layers, RETRAINING, shape).network,
            ),
        ]
    for real, assumed_one in pairs:
        expected, found = (
            estimate_step(network, "fast", 2, 128) for network in (real, assumed_one)
        )
        assert 0.9 < found.parameters / expected.parameters < 2.1
        assert 1.1 < found.activation_bytes / expected.activation_bytes < 1.6


def test_moments_and_averages_of_the_weights_are_counted() -> None:
    assert choosing.kept_copies(SearchSettings()) == 1
    assert choosing.kept_copies(SearchSettings(optimizer="adamw")) == 2
    assert choosing.kept_copies(RetrainSettings(optimizer="adamw", keep="average")) == 3


def _memory(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["stages"]["stage1"]["memory"])


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_batch_of_one_that_leaves_one_pixel_to_normalise_is_refused_before_the_start(
    tiny_tiles: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    run = tmp_path / "run"
    command = ("search", run, "--stage", 1, "--data", tiny_tiles, "--layers", 4, "--width", 4)
    message = dnas(*command, "--batch", 1, "--device", "cpu", *more, code=2).stderr
    assert "--batch 1: the coarsest maps of tiles of 32 px have one pixel" in message
    assert "--batch 2" in message
