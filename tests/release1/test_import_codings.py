"""`dnas import` of codings: architectures, and runs that begin with one."""

import json
from pathlib import Path

import numpy as np
import pytest

from dnas_cli.model.model_file import load_model
from dnas_cli.release1.codings import Release1Coding, read_release1
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.operators import OPERATORS
from tests.support.command_line import dnas
from tests.support.importing import CPU
from tests.support.release1_files import GOLDEN, golden_state, write_checkpoint


@pytest.mark.parametrize(
    ("name", "layers", "kept", "dropped"), [("L12", 12, 62, 2), ("L14", 14, 77, 6)]
)
def test_published_codings_become_architectures(
    name: str, layers: int, kept: int, dropped: int, tmp_path: Path
) -> None:
    folder, out = GOLDEN / "published" / name, tmp_path / "architecture.json"
    coding_files = (folder / "third_connect.npy", folder / "cell_operations.npy")
    result = json.loads(dnas("import", *coding_files, "--out", out, "--json").stdout)
    assert len(result["dropped"]) == dropped

    coding = ArchitectureCoding.read(out)
    assert (coding.graph.layers, len(coding.graph.edges)) == (layers, kept)
    assert {len(names) for names in coding.operators} == {3}


def test_published_codings_are_read_as_they_are() -> None:
    folder = GOLDEN / "published" / "L14"
    coding = read_release1(folder / "third_connect.npy", folder / "cell_operations.npy")
    assert isinstance(coding, Release1Coding)
    assert (len(coding.graph.edges), len(coding.executed.edges)) == (83, 79)
    assert [item.key for item in coding.dropped] == [
        "8,0>10,1",
        "10,0>11,0",
        "10,1>11,1",
        "10,0>11,2",
        "11,1>12,0",
        "11,0>12,1",
    ]


def test_a_node_may_have_any_number_of_operators(tmp_path: Path) -> None:
    connections, operations = tmp_path / "third_connect.npy", tmp_path / "cell_operations.npy"
    np.save(connections, np.array([[[-1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 1]]]))
    chosen = np.zeros((2, 4, 10))
    chosen[0, 0, 9] = chosen[1, 1, 4] = 1
    chosen[1, 0] = 1
    np.save(operations, chosen)
    dnas("import", connections, operations, "--out", tmp_path / "a.json")
    coding = ArchitectureCoding.read(tmp_path / "a.json")
    assert coding.operators == (("global_average_pool",), OPERATORS, ("sep_conv_3x3",))


def test_an_imported_architecture_is_retrained_in_a_run_without_searches(
    files: tuple[Path, Path, Path], tiny_tiles: Path, tmp_path: Path
) -> None:
    architecture, run = tmp_path / "architecture.json", tmp_path / "run"
    dnas("import", *files[:2], "--out", architecture)
    dnas("retrain", run, "--architecture", architecture, code=2)  # no tile set
    assert not run.exists()

    small = ("--preset", "quick", "--epochs", 1, "--width", 4, "--device", "cpu")
    command = ("retrain", run, "--architecture", architecture)
    dnas(*command, "--data", tiny_tiles, *small)
    model = load_model(run / "model.pt", CPU)
    assert model.architecture == ArchitectureCoding.read(architecture)
    dnas(*command)  # again: is there already
    manifest = json.loads((run / "run.json").read_text())
    unfinished = manifest | {"network": {"layers": 9, "width": 4}}  # as a kill may leave it
    (run / "run.json").write_text(json.dumps(unfinished))
    dnas(*command)
    assert json.loads((run / "run.json").read_text()) == manifest

    other = tmp_path / "other.json"
    _chain(tmp_path / "chain", other)
    assert "another architecture" in dnas("retrain", run, "--architecture", other, code=3).stderr
    assert "next       dnas eval" in dnas("status", run).stdout


def _chain(folder: Path, out: Path) -> None:
    folder.mkdir()
    np.save(folder / "c.npy", np.array([[[-1, 0], [0, 0]], [[0, 0], [1, 0]]]))
    chosen = np.zeros((2, 4, 10), np.uint8)
    chosen[:, :, 0] = 1
    np.save(folder / "o.npy", chosen)
    dnas("import", folder / "c.npy", folder / "o.npy", "--out", out)


def test_a_run_with_searches_keeps_its_architecture(
    files: tuple[Path, Path, Path], tiny_tiles: Path, tmp_path: Path
) -> None:
    search = write_checkpoint(tmp_path / "search.pth.tar", golden_state("stage1_L5"))
    dnas("import", search, "--run", tmp_path / "run", "--data", tiny_tiles)
    dnas("import", *files[:2], "--out", tmp_path / "a.json")
    message = dnas(
        "retrain", tmp_path / "run", "--architecture", tmp_path / "a.json", code=3
    ).stderr
    assert "searches of its own" in message
