"""`dnas import`: codings, models and searches of the first release, taken as they are."""

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import dnas, done, refused
from release1_files import (
    golden_arrays,
    golden_state,
    random_state,
    rename_in_pickle,
    write_checkpoint,
    write_codings,
)

from dnas_cli.model.model_file import load_model
from dnas_cli.model.release1_file import load_release1
from dnas_cli.nets.network import NetworkShape
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Node
from dnas_cli.space.operators import OPERATORS
from dnas_cli.space.release1 import Release1Coding, read_release1

CPU = torch.device("cpu")


@pytest.fixture
def files(golden: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """The coding files and the checkpoint of the golden derived network."""
    checkpoint = write_checkpoint(tmp_path / "best.pth.tar", golden_state(golden, "retrain_L5"))
    return (*write_codings(tmp_path, golden), checkpoint)


def _model(files: tuple[Path, ...], out: Path, *more: object) -> None:
    done("import", *files, "--dataset", "gid5", "--out", out, *more)


def _refused_model(files: tuple[Path, ...], tmp_path: Path, dataset: str = "gid5") -> str:
    out = tmp_path / "refused.pt"
    message = refused(4, "import", *files, "--dataset", dataset, "--out", out)
    assert not out.exists()
    return message


# -- codings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layers", "kept", "dropped"), [("L12", 12, 62, 2), ("L14", 14, 77, 6)]
)
def test_published_codings_become_architectures(
    name: str, layers: int, kept: int, dropped: int, golden: Path, tmp_path: Path
) -> None:
    folder, out = golden / "published" / name, tmp_path / "architecture.json"
    coding_files = (folder / "third_connect.npy", folder / "cell_operations.npy")
    result = json.loads(done("import", *coding_files, "--out", out, "--json").stdout)
    assert len(result["dropped"]) == dropped

    coding = ArchitectureCoding.read(out)
    assert (coding.graph.layers, len(coding.graph.edges)) == (layers, kept)
    assert {len(names) for names in coding.operators} == {3}


def test_a_node_may_have_any_number_of_operators(tmp_path: Path) -> None:
    connections, operations = tmp_path / "third_connect.npy", tmp_path / "cell_operations.npy"
    np.save(connections, np.array([[[-1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 1]]]))
    chosen = np.zeros((2, 4, 10))
    chosen[0, 0, 9] = chosen[1, 1, 4] = 1
    chosen[1, 0] = 1
    np.save(operations, chosen)
    done("import", connections, operations, "--out", tmp_path / "a.json")
    coding = ArchitectureCoding.read(tmp_path / "a.json")
    assert coding.operators == (("global_average_pool",), OPERATORS, ("sep_conv_3x3",))


def test_an_imported_architecture_is_retrained_in_a_run_without_searches(
    files: tuple[Path, Path, Path], tiny_tiles: Path, tmp_path: Path
) -> None:
    architecture, run = tmp_path / "architecture.json", tmp_path / "run"
    done("import", *files[:2], "--out", architecture)
    refused(2, "retrain", run, "--architecture", architecture)  # no tile set
    assert not run.exists()

    small = ("--preset", "quick", "--epochs", 1, "--width", 4, "--device", "cpu")
    begun = ("retrain", run, "--architecture", architecture)
    done(*begun, "--data", tiny_tiles, *small)
    model = load_model(run / "model.pt", CPU)
    assert model.architecture == ArchitectureCoding.read(architecture)
    done(*begun)  # again: is there already

    other = tmp_path / "other.json"
    _chain(tmp_path / "chain", other)
    assert "another architecture" in refused(3, "retrain", run, "--architecture", other)
    assert "next       dnas eval" in done("status", run).stdout


def _chain(folder: Path, out: Path) -> None:
    folder.mkdir()
    np.save(folder / "c.npy", np.array([[[-1, 0], [0, 0]], [[0, 0], [1, 0]]]))
    chosen = np.zeros((2, 4, 10), np.uint8)
    chosen[:, :, 0] = 1
    np.save(folder / "o.npy", chosen)
    done("import", folder / "c.npy", folder / "o.npy", "--out", out)


def test_a_run_with_searches_keeps_its_architecture(
    files: tuple[Path, Path, Path], golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    search = write_checkpoint(tmp_path / "search.pth.tar", golden_state(golden, "stage1_L5"))
    done("import", search, "--run", tmp_path / "run", "--data", tiny_tiles)
    done("import", *files[:2], "--out", tmp_path / "a.json")
    message = refused(3, "retrain", tmp_path / "run", "--architecture", tmp_path / "a.json")
    assert "searches of its own" in message


# -- models ---------------------------------------------------------------------------------------


def test_an_imported_model_gives_the_golden_logits(
    files: tuple[Path, Path, Path], golden: Path, tmp_path: Path
) -> None:
    _model(files, tmp_path / "model.pt")
    model = load_model(tmp_path / "model.pt", CPU)
    data = golden_arrays(golden, "retrain_L5")
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(data["image"])).numpy()
    assert np.abs(logits - data["eval_logits"]).max() <= 2e-5 * np.abs(data["eval_logits"]).max()
    facts = model.facts
    assert (facts.width, facts.bands, len(facts.classes)) == (
        4,
        ("red", "green", "blue", "nir"),
        5,
    )
    assert facts.provenance["epoch"] == 38
    assert facts.provenance["val_mean_iou"] == 0.75


def test_layers_width_bands_and_classes_are_read_off_the_files(
    golden: Path, tmp_path: Path
) -> None:
    folder = golden / "published" / "L12"
    coding_files = (folder / "third_connect.npy", folder / "cell_operations.npy")
    state = random_state(read_release1(*coding_files), NetworkShape(6, 3, 2))
    checkpoint = write_checkpoint(tmp_path / "c.pth.tar", state)
    dataset = tmp_path / "snow.yaml"
    dataset.write_text(
        "bands: [swir, red, green]\n"
        "classes: {bare: [90, 60, 30], snow: [255, 255, 255]}\n"
        "normalisation: {scale: 1, mean: [1, 2, 3], std: [4, 5, 6]}\n"
    )
    out = tmp_path / "model.pt"
    done("import", *coding_files, checkpoint, "--dataset", dataset, "--out", out)
    model = load_model(out, CPU)
    assert model.architecture.graph.layers == 12
    assert model.facts.shape == NetworkShape(6, 3, 2)
    assert (model.facts.bands, model.facts.normalisation.std) == (
        ("swir", "red", "green"),
        (4, 5, 6),
    )
    with torch.inference_mode():
        assert model.network(torch.zeros(1, 3, 64, 96)).shape == (1, 2, 64, 96)


def test_an_imported_model_maps_a_scene(
    files: tuple[Path, Path, Path], tiny_scenes: Path, tmp_path: Path
) -> None:
    _model(files, tmp_path / "model.pt")
    scene = sorted(tiny_scenes.glob("image_*/*.tif"))[0]
    done("predict", tmp_path / "model.pt", scene, "--out", tmp_path / "map.png", "--device", "cpu")
    assert (tmp_path / "map.png").stat().st_size > 0


def test_a_tile_set_tells_classes_bands_and_normalisation_too(
    files: tuple[Path, Path, Path], tiny_tiles: Path, tmp_path: Path
) -> None:
    done("import", *files, "--dataset", tiny_tiles, "--out", tmp_path / "model.pt")
    facts = load_model(tmp_path / "model.pt", CPU).facts
    assert facts.tile_size == 32
    assert set(facts.statistics) == set(facts.bands)


def test_dead_cells_are_left_out_and_change_nothing(golden: Path, tmp_path: Path) -> None:
    connections, operations = write_codings(tmp_path, golden)
    living = read_release1(connections, operations)
    whole = np.concatenate([np.load(connections), [[[3, 3], [4, 0]], [[1, 0], [3, 3]]]])
    whole = np.concatenate([whole, [[[2, 2], [4, 1]]]])  # (3,3) is fed here, (2,2) is not
    np.save(connections, whole)
    coding = read_release1(connections, operations)
    assert [item.key for item in coding.dropped] == ["2,2>4,1"]

    state = random_state(coding, NetworkShape(4, 4, 5))
    checkpoint = write_checkpoint(tmp_path / "c.pth.tar", state)
    _model((connections, operations, checkpoint), tmp_path / "model.pt")
    network = load_model(tmp_path / "model.pt", CPU).network
    assert len(network.graph.edges) == len(living.graph.edges) + 2
    dropped = load_model(tmp_path / "model.pt", CPU).facts.provenance["dropped_cells"]
    assert [cell["executed"] for cell in dropped] == [False]

    fewer = {key: value for key, value in state.items() if "cells.4.1.[2 2]" not in key}
    assert len(fewer) < len(state)
    checkpoint = write_checkpoint(tmp_path / "d.pth.tar", fewer)
    _model((connections, operations, checkpoint), tmp_path / "fewer.pt")
    image = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        again = load_model(tmp_path / "fewer.pt", CPU).network(image)
        assert torch.equal(network(image), again)


def test_weights_of_several_gpus_and_bare_state_dicts_import(
    files: tuple[Path, Path, Path], golden: Path, tmp_path: Path
) -> None:
    _model(files, tmp_path / "model.pt")
    expected = load_model(tmp_path / "model.pt", CPU).network.state_dict()
    state = golden_state(golden, "retrain_L5")
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save(state, tmp_path / "bare.pth")
    for index, checkpoint in enumerate(
        (write_checkpoint(tmp_path / "w.pth.tar", wrapped), tmp_path / "bare.pth")
    ):
        out = tmp_path / f"{index}.pt"
        _model((*files[:2], checkpoint), out)
        found = load_model(out, CPU).network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("number", [np.float64(0.75), np.float32(0.75), 0.75, torch.tensor(0.75)])
@pytest.mark.parametrize("legacy", [False, True])
def test_best_pred_may_be_any_number_in_any_file_format(
    number: Any, legacy: bool, tmp_path: Path
) -> None:
    path = tmp_path / "c.pth.tar"
    write_checkpoint(path, {"a": torch.ones(1)}, legacy, best_pred=number)
    read = load_release1(path)
    assert (read.best, read.epoch) == (0.75, 38)


def test_a_best_figure_that_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    path = write_checkpoint(
        tmp_path / "c.pth.tar", {"a": torch.ones(1)}, best_pred=np.float64("nan")
    )
    assert load_release1(path).best is None


def test_numbers_of_numpy_1_are_read_as_well(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c.pth.tar", {"a": torch.ones(1)})
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    if np.__version__.startswith("1."):
        new, old = old, new
    rename_in_pickle(path, new, old)
    assert load_release1(path).best == 0.75


def test_an_output_that_exists_is_kept(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "model.pt"
    out.write_text("mine")
    refused(3, "import", *files, "--dataset", "gid5", "--out", out)
    assert out.read_text() == "mine"
    _model(files, out, "--overwrite")
    load_model(out, CPU)


# -- files that do not fit ------------------------------------------------------------------------


def test_missing_left_over_and_misshapen_tensors_are_listed(
    files: tuple[Path, Path, Path], golden: Path, tmp_path: Path
) -> None:
    state = golden_state(golden, "retrain_L5")
    del state["stem1.0.bias"]
    state["cells.9.9.[0 0]._ops.0.0.weight"] = torch.zeros(1)
    state["aux.weight"] = torch.zeros(1)
    state["last_conv.3.weight"] = torch.zeros(256, 256, 1, 1)
    write_checkpoint(files[2], state)
    message = _refused_model(files, tmp_path)
    assert "missing (1): stem1.0.bias" in message
    assert "left over (2): cells.9.9.[0 0]._ops.0.0.weight, aux.weight" in message
    assert "last_conv.3.weight (256, 256, 1, 1) instead of (256, 256, 3, 3)" in message


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (torch.ones(4, 4).to_sparse(), "other things than plain tensors (stem0.0.bias)"),
        (torch.ones(2, device="meta"), "other things than plain tensors (stem0.0.bias)"),
        (torch.ones(2, dtype=torch.complex64), "other things than plain tensors (stem0.0.bias)"),
        (torch.tensor([1.0, float("nan")]), "not finite numbers (stem0.0.bias)"),
        (torch.tensor([1.0, float("inf")]), "not finite numbers (stem0.0.bias)"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(
    odd: torch.Tensor, expected: str, files: tuple[Path, Path, Path], golden: Path, tmp_path: Path
) -> None:
    state = golden_state(golden, "retrain_L5")
    assert "stem0.0.bias" in state
    write_checkpoint(files[2], state | {"stem0.0.bias": odd})
    assert expected in _refused_model(files, tmp_path)


def test_a_renamed_tensor_is_missing_and_left_over(
    files: tuple[Path, Path, Path], golden: Path, tmp_path: Path
) -> None:
    state = golden_state(golden, "retrain_L5")
    key = next(key for key in state if key.startswith("cells.4.1.[3 2]"))
    state[key.replace("[3 2]", "[3 3]")] = state.pop(key)
    write_checkpoint(files[2], state)
    message = _refused_model(files, tmp_path)
    assert f"missing (1): {key}" in message
    assert "left over (1): cells.4.1.[3 3]" in message


def test_codings_of_another_network_are_refused(
    files: tuple[Path, Path, Path], golden: Path, tmp_path: Path
) -> None:
    folder = golden / "published" / "L12"
    others = (folder / "third_connect.npy", folder / "cell_operations.npy", files[2])
    assert "belong together" in _refused_model(others, tmp_path)
    mixed = (files[0], folder / "cell_operations.npy", files[2])
    assert "5 layers" in _refused_model(mixed, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 200_000])
def test_a_truncated_checkpoint_is_refused(
    size: int, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    files[2].write_bytes(files[2].read_bytes()[:size])
    assert "damaged" in _refused_model(files, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 100, 130, 300])
@pytest.mark.parametrize("which", [0, 1])
def test_a_truncated_coding_is_refused(
    size: int, which: int, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    files[which].write_bytes(files[which].read_bytes()[:size])
    assert files[which].name in _refused_model(files, tmp_path)


def test_files_under_a_wrong_name_are_refused(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    connections, operations, checkpoint = files
    text = tmp_path / "notes.npy"
    text.write_text("not an array")
    archive = tmp_path / "archive.npz"
    np.savez(archive, np.load(connections))
    model = tmp_path / "model.pt"
    _model(files, model)
    for wrong, expected in (
        ((text, operations, checkpoint), "is not a .npy file"),
        ((archive, operations, checkpoint), "is not a .npy file"),
        ((checkpoint, operations, checkpoint), "is not a .npy file"),
        ((operations, connections, checkpoint), "third_connect.npy first"),
        ((connections, connections, checkpoint), "(L, 4, 10)"),
        ((connections, operations, connections), "not a checkpoint"),
        ((connections, operations, text), "not a checkpoint"),
        ((connections, operations, model), "first release"),
        ((connections, operations, tmp_path), "is a folder"),
        ((connections, operations, tmp_path / "none.pth.tar"), "no such file"),
        ((tmp_path / "none.npy", operations, checkpoint), "no such file"),
    ):
        assert expected in _refused_model(wrong, tmp_path)


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        (np.zeros((3, 2, 2)), "whole numbers"),
        (np.zeros((0, 2, 2), int), "no connection"),
        (np.zeros((3, 4), int), "(E, 2, 2)"),
        (np.array([[[-1, 0], [4, 0]]] * 2), "more than once"),
        (np.array([[[3, 0], [4, 7]]]), "not an architecture"),
        (np.array([[[4, 0], [4, 1]]]), "not an architecture"),
        (np.array([[[3, 0], [4, 0]]]), "no node of the last layer is reached"),
    ],
)
def test_connections_that_make_no_network_are_refused(
    connections: Any, expected: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    np.save(files[0], connections)
    assert expected in _refused_model(files, tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, "logits"), (float("nan"), "logits"), (0.0, "no operator")]
)
def test_operators_that_are_no_choice_are_refused(
    value: float, expected: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    np.save(files[1], np.full((5, 4, 10), value, np.float32))
    assert expected in _refused_model(files, tmp_path)


def test_an_array_of_objects_is_not_unpickled(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    np.save(files[0], np.array([_Bomb(tmp_path / "touched")], object), allow_pickle=True)
    assert "damaged or holds other things" in _refused_model(files, tmp_path)
    assert not (tmp_path / "touched").exists()


def test_a_dataset_with_other_bands_or_classes_is_refused(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    assert "15 classes" in _refused_model(files, tmp_path, "gid15")
    assert "normalisation" in _refused_model(files, tmp_path, "fbp")
    three = tmp_path / "three.yaml"
    three.write_text(
        "bands: [red, green, blue]\n"
        "classes: {a: [1, 0, 0], b: [2, 0, 0], c: [3, 0, 0], d: [4, 0, 0], e: [5, 0, 0]}\n"
        "normalisation: {scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}\n"
    )
    assert "3 bands" in _refused_model(files, tmp_path, str(three))


# -- pickles --------------------------------------------------------------------------------------


class _Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self._path}'",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("where", ["best_pred", "state_dict", "alphas"])
def test_a_pickle_bomb_is_refused_by_name_and_does_not_go_off(
    legacy: bool, where: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    write_checkpoint(files[2], {"a": torch.ones(1)}, legacy, **{where: _Bomb(touched)})
    before = files[2].read_bytes()
    message = _refused_model(files, tmp_path)
    assert f"{os.system.__module__}.system" in message
    assert not touched.exists()
    assert files[2].read_bytes() == before


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_bomb_is_refused_by_name_too(
    protocol: int, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    content = {"epoch": 1, "best_pred": _Bomb(touched), "state_dict": _Bomb(touched)}
    files[2].write_bytes(pickle.dumps(content, protocol))
    assert f"asks to run code: {os.system.__module__}.system;" in _refused_model(files, tmp_path)
    assert not touched.exists()


def test_numpy_arrays_and_odd_scalars_are_refused_by_name(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c.pth.tar", {}, best_pred=np.ones(3))
    message = refused(4, "import", path, "--run", tmp_path / "run")
    assert "multiarray._reconstruct" in message
    path = write_checkpoint(tmp_path / "d.pth.tar", {}, best_pred=np.datetime64("2020-01-01"))
    refused(4, "import", path, "--run", tmp_path / "run")


# -- searches -------------------------------------------------------------------------------------


def _search(golden: Path, folder: Path, stage: int) -> Path:
    state = golden_state(golden, f"stage{stage}_L5")
    return write_checkpoint(folder / f"stage{stage}.pth.tar", state)


def test_an_old_search_for_a_path_is_decoded_by_the_logits_that_were_trained(
    golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done("import", _search(golden, tmp_path, 1), "--run", run, "--data", tiny_tiles)
    row = json.loads((run / "search/stage1/logits.jsonl").read_text())
    betas = golden_arrays(golden, "stage1_L5")["state/betas"]
    assert row["epoch"] == 37
    assert row["logits"]["2,0>3,0"] == betas[3, 0, 0]  # scale 0 uses slots 0 and 1
    assert row["logits"]["2,1>3,0"] == betas[3, 0, 1]
    assert row["logits"]["2,2>3,1"] == betas[3, 1, 2]
    assert "dnas decode" in done("status", run).stdout
    done("decode", run, "--stage", 1)
    path = json.loads((run / "coding/path.json").read_text())["path"]
    assert path == [0, 1, 1, 0, 1]


def test_an_old_search_for_connections_keeps_the_edges_above_zero(
    golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    checkpoint = _search(golden, tmp_path, 2)
    done("import", checkpoint, "--run", run, "--stage", 2, "--data", tiny_tiles)
    assert json.loads((run / "coding/path.json").read_text())["path"] == [0, 1, 1, 2, 2]
    done("decode", run, "--stage", 2)
    data = golden_arrays(golden, "stage2_L5")
    slots: dict[tuple[int, int], int] = {}
    above = set()
    for source, target in data["connections"].tolist():
        slot = slots.get(tuple(target), 0)
        slots[tuple(target)] = slot + 1
        if data["state/betas"][target[0], target[1], slot] > 0:
            above.add((tuple(source), tuple(target)))
    kept = json.loads((run / "coding/connections.json").read_text())["edges"]
    path = data["path"].tolist()
    core = {((-1, 0), (0, 0))} | {
        ((layer - 1, path[layer - 1]), (layer, path[layer])) for layer in range(1, 5)
    }
    pairs = {(tuple(source), tuple(target)) for source, target in kept}
    assert pairs <= above | core
    assert {item for item in above if item[1][0] == 4} <= pairs  # into the last layer: none dies


def test_slots_follow_the_order_of_the_connections_in_the_file(
    golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    state = golden_state(golden, "stage2_L5")
    turned = dict(reversed(state.items()))  # a network made from connections in another order
    run = tmp_path / "run"
    checkpoint = write_checkpoint(tmp_path / "turned.pth.tar", turned)
    done("import", checkpoint, "--run", run, "--data", tiny_tiles)
    logits = json.loads((run / "search/stage2/logits.jsonl").read_text())["logits"]
    betas = state["betas"]
    assert logits["3,2>4,2"] == betas[4, 2, 0]  # the last of nine sources now comes first
    assert logits["-1,0>4,2"] == betas[4, 2, 8]


def test_an_old_search_for_operators_keeps_the_three_strongest_of_each_node(
    golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done("import", _search(golden, tmp_path, 3), "--run", run, "--data", tiny_tiles)
    done("decode", run, "--stage", 3)
    coding = ArchitectureCoding.read(run / "coding/architecture.json")
    alphas = golden_arrays(golden, "stage3_L5")["state/alphas"]
    assert Node(4, 2) in coding.graph.nodes
    for node, names in zip(coding.graph.nodes, coding.operators, strict=True):
        strongest = sorted(np.argsort(alphas[node.layer, node.scale])[-3:])
        assert names == tuple(OPERATORS[index] for index in strongest)


def test_the_gap_of_the_first_release_below_scale_3_is_allowed_for(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    from dnas_cli.nets.network import build_supernet
    from dnas_cli.nets.release1 import release1_keys
    from dnas_cli.space.coding import SearchSpace
    from dnas_cli.space.lattice import Graph
    from dnas_cli.space.spaces import connection_space

    path = (0, 1, 2, 3, 3)
    edges = connection_space(path).edges
    kept = tuple(item for item in edges if item.target != Node(4, 1))  # never made there
    space = SearchSpace(2, Graph(5, kept), path)
    network = build_supernet(space, NetworkShape(2, 4, 5))
    keys = release1_keys(network)
    state = {keys[own]: value for own, value in network.state_dict().items() if own in keys}
    largest = max(len(space.graph.incoming(node)) for node in space.graph.nodes)
    checkpoint = tmp_path / "c.pth.tar"
    write_checkpoint(checkpoint, state | {"betas": torch.ones(5, 4, largest)})
    run = tmp_path / "run"
    result = done("import", checkpoint, "--run", run, "--data", tiny_tiles)
    assert "3,0>4,1" in result.stderr
    done("decode", run, "--stage", 2)
    assert [4, 1] not in [
        target for _, target in json.loads((run / "coding/connections.json").read_text())["edges"]
    ]

    missing = {key: value for key, value in state.items() if "cells.3.3.[0 0]" not in key}
    write_checkpoint(checkpoint, missing | {"betas": torch.ones(5, 4, largest)})
    message = refused(4, "import", checkpoint, "--run", tmp_path / "x", "--data", tiny_tiles)
    assert "0,0>3,3" in message


def test_a_search_must_fit_the_run_and_its_tile_set(
    golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first, second = (_search(golden, tmp_path, stage) for stage in (1, 2))
    assert "--data TILES" in refused(2, "import", first, "--run", run)
    done("import", first, "--run", run, "--data", tiny_tiles)
    assert "searched already" in refused(3, "import", first, "--run", run)
    assert "not decoded" in refused(3, "import", second, "--run", run)
    done("decode", run, "--stage", 1)
    assert "another coding" in refused(4, "import", second, "--run", run)
    assert "stage 1" in refused(2, "import", first, "--run", tmp_path / "x", "--stage", 2)

    wide = tmp_path / "wide"
    done("encode", wide, "--stage", 1, "--data", tiny_tiles, "--layers", 5, "--width", 8)
    assert "width 4" in refused(4, "import", first, "--run", wide)
    three = golden_state(golden, "stage1_L5")
    three["stem0.0.weight"] = three["stem0.0.weight"][:, :3]
    checkpoint = write_checkpoint(tmp_path / "three.pth.tar", three)
    message = refused(4, "import", checkpoint, "--run", tmp_path / "x", "--data", tiny_tiles)
    assert "4 bands" in message
    assert not (tmp_path / "x").exists()


def test_overwriting_a_search_that_does_not_fit_leaves_the_old_one(
    golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    checkpoint = _search(golden, tmp_path, 1)
    done("import", checkpoint, "--run", run, "--data", tiny_tiles)
    done("decode", run, "--stage", 1)
    shutil.copytree(run, other)
    done("import", checkpoint, "--run", run, "--overwrite")
    assert "dnas decode" in done("status", run).stdout

    second = _search(golden, tmp_path, 2)
    refused(4, "import", second, "--run", other, "--overwrite")
    assert (other / "coding/path.json").is_file()
    assert (other / "search/stage1/logits.jsonl").is_file()


def test_a_model_and_a_search_are_not_taken_for_each_other(
    files: tuple[Path, Path, Path], golden: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    message = refused(4, "import", files[2], "--run", tmp_path / "x", "--data", tiny_tiles)
    assert "not a search" in message
    search = (*files[:2], _search(golden, tmp_path, 1))
    assert "--run RUN" in _refused_model(search, tmp_path)


def test_a_checkpoint_that_was_not_imported_is_told_how(
    files: tuple[Path, Path, Path], tiny_scenes: Path, tmp_path: Path
) -> None:
    scene = next(tiny_scenes.rglob("*.tif"))
    for arguments in (
        ("info", files[2]),
        ("eval", files[2], "--cost"),
        ("predict", files[2], scene, "--out", tmp_path / "map.tif"),
    ):
        assert "`dnas import`" in refused(4, *arguments)


def test_wrong_usage_says_what_to_give(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "model.pt"
    for arguments in (
        (files[2], "--out", out),
        (*files[:2],),
        (*files, "--out", out),
        (*files, "--dataset", "gid5", "--out", out, "--dtype", "int3"),
        (*files, "--dataset", "gid5", "--out", out, "--stage", 1),
        (*files, "--run", tmp_path / "run"),
        (files[2], "--run", tmp_path / "run", "--out", out),
    ):
        assert refused(2, "import", *arguments)
    assert dnas("import").exit_code == 2


def test_published_codings_are_read_as_they_are(golden: Path) -> None:
    folder = golden / "published" / "L14"
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
