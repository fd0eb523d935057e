"""`dnas import` of searches: runs that continue from old logits."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from dnas_cli.nets.network import NetworkShape
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Node
from dnas_cli.space.operators import OPERATORS
from tests.support.command_line import dnas
from tests.support.importing import refused_model
from tests.support.release1_files import golden_arrays, golden_state, write_checkpoint


def _search(folder: Path, stage: int) -> Path:
    state = golden_state(f"stage{stage}_L5")
    return write_checkpoint(folder / f"stage{stage}.pth.tar", state)


def test_an_old_search_for_a_path_is_decoded_by_the_logits_that_were_trained(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("import", _search(tmp_path, 1), "--run", run, "--data", tiny_tiles)
    row = json.loads((run / "search/stage1/logits.jsonl").read_text())
    betas = golden_state("stage1_L5")["betas"]
    assert row["epoch"] == 37
    assert row["logits"]["2,0>3,0"] == betas[3, 0, 0]  # scale 0 uses slots 0 and 1
    assert row["logits"]["2,1>3,0"] == betas[3, 0, 1]
    assert row["logits"]["2,2>3,1"] == betas[3, 1, 2]
    assert "dnas decode" in dnas("status", run).stdout
    dnas("decode", run, "--stage", 1)
    path = json.loads((run / "coding/path.json").read_text())["path"]
    assert path == [0, 1, 1, 0, 1]


def test_an_old_search_for_connections_keeps_the_edges_above_zero(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    checkpoint = _search(tmp_path, 2)
    dnas("import", checkpoint, "--run", run, "--stage", 2, "--data", tiny_tiles)
    assert json.loads((run / "coding/path.json").read_text())["path"] == [0, 1, 1, 2, 2]
    dnas("decode", run, "--stage", 2)
    data, betas = golden_arrays("stage2_L5"), golden_state("stage2_L5")["betas"]
    slots: dict[tuple[int, int], int] = {}
    above = set()
    for source, target in data["connections"].tolist():
        slot = slots.get(tuple(target), 0)
        slots[tuple(target)] = slot + 1
        if betas[target[0], target[1], slot] > 0:
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
    tiny_tiles: Path, tmp_path: Path
) -> None:
    state = golden_state("stage2_L5")
    turned = dict(reversed(state.items()))  # a network made from connections in another order
    run = tmp_path / "run"
    checkpoint = write_checkpoint(tmp_path / "turned.pth.tar", turned)
    dnas("import", checkpoint, "--run", run, "--data", tiny_tiles)
    logits = json.loads((run / "search/stage2/logits.jsonl").read_text())["logits"]
    betas = state["betas"]
    assert logits["3,2>4,2"] == betas[4, 2, 0]  # the last of nine sources now comes first
    assert logits["-1,0>4,2"] == betas[4, 2, 8]


def test_an_old_search_for_operators_keeps_the_three_strongest_of_each_node(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("import", _search(tmp_path, 3), "--run", run, "--data", tiny_tiles)
    dnas("decode", run, "--stage", 3)
    coding = ArchitectureCoding.read(run / "coding/architecture.json")
    alphas = golden_state("stage3_L5")["alphas"].numpy()
    assert Node(4, 2) in coding.graph.nodes
    for node, names in zip(coding.graph.nodes, coding.operators, strict=True):
        strongest = sorted(np.argsort(alphas[node.layer, node.scale])[-3:])
        assert names == tuple(OPERATORS[index] for index in strongest)


def test_the_gap_of_the_first_release_below_scale_3_is_allowed_for(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    from dnas_cli.nets.network import build_supernet
    from dnas_cli.release1.tensor_names import release1_keys
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
    result = dnas("import", checkpoint, "--run", run, "--data", tiny_tiles)
    assert "3,0>4,1" in result.stderr
    dnas("decode", run, "--stage", 2)
    assert [4, 1] not in [
        target for _, target in json.loads((run / "coding/connections.json").read_text())["edges"]
    ]

    missing = {key: value for key, value in state.items() if "cells.3.3.[0 0]" not in key}
    write_checkpoint(checkpoint, missing | {"betas": torch.ones(5, 4, largest)})
    message = dnas(
        "import", checkpoint, "--run", tmp_path / "x", "--data", tiny_tiles, code=4
    ).stderr
    assert "0,0>3,3" in message


def test_a_search_must_fit_the_run_and_its_tile_set(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first, second = (_search(tmp_path, stage) for stage in (1, 2))
    assert "--data TILES" in dnas("import", first, "--run", run, code=2).stderr
    dnas("import", first, "--run", run, "--data", tiny_tiles)
    assert "searched already" in dnas("import", first, "--run", run, code=3).stderr
    assert "not decoded" in dnas("import", second, "--run", run, code=3).stderr
    dnas("decode", run, "--stage", 1)
    assert "another coding" in dnas("import", second, "--run", run, code=4).stderr
    assert "stage 1" in dnas("import", first, "--run", tmp_path / "x", "--stage", 2, code=2).stderr

    wide = tmp_path / "wide"
    dnas("encode", wide, "--stage", 1, "--data", tiny_tiles, "--layers", 5, "--width", 8)
    assert "width 4" in dnas("import", first, "--run", wide, code=4).stderr
    three = golden_state("stage1_L5")
    three["stem0.0.weight"] = three["stem0.0.weight"][:, :3]
    checkpoint = write_checkpoint(tmp_path / "three.pth.tar", three)
    message = dnas(
        "import", checkpoint, "--run", tmp_path / "x", "--data", tiny_tiles, code=4
    ).stderr
    assert "4 bands" in message
    assert not (tmp_path / "x").exists()


def test_overwriting_a_search_that_does_not_fit_leaves_the_old_one(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    checkpoint = _search(tmp_path, 1)
    dnas("import", checkpoint, "--run", run, "--data", tiny_tiles)
    dnas("decode", run, "--stage", 1)
    shutil.copytree(run, other)
    dnas("import", checkpoint, "--run", run, "--overwrite")
    assert "dnas decode" in dnas("status", run).stdout

    second = _search(tmp_path, 2)
    dnas("import", second, "--run", other, "--overwrite", code=4)
    assert (other / "coding/path.json").is_file()
    assert (other / "search/stage1/logits.jsonl").is_file()


def test_a_model_and_a_search_are_not_taken_for_each_other(
    files: tuple[Path, Path, Path], tiny_tiles: Path, tmp_path: Path
) -> None:
    message = dnas("import", files[2], "--run", tmp_path / "x", "--data", tiny_tiles, code=4).stderr
    assert "not a search" in message
    search = (*files[:2], _search(tmp_path, 1))
    assert "--run RUN" in refused_model(search, tmp_path)
