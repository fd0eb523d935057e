"""`dnas import` of models: the same network, and what its files do not say."""

from pathlib import Path

import numpy as np
import torch

from dnas_cli.model.model_file import load_model
from dnas_cli.nets.network import NetworkShape
from dnas_cli.release1.codings import read_release1
from tests.support.command_line import dnas
from tests.support.importing import CPU, import_model
from tests.support.release1_files import (
    GOLDEN,
    golden_arrays,
    golden_state,
    random_state,
    reference_network,
    write_checkpoint,
    write_codings,
)


def test_an_imported_model_gives_the_logits_of_its_weights(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    import_model(files, tmp_path / "model.pt")
    model = load_model(tmp_path / "model.pt", CPU)
    data = golden_arrays("retrain_L5")
    network = reference_network(data, golden_state("retrain_L5")).eval()
    image = torch.from_numpy(data["image"])
    with torch.inference_mode():
        assert torch.equal(model.network(image), network(image))
    facts = model.facts
    assert (facts.width, facts.bands, len(facts.classes)) == (
        4,
        ("red", "green", "blue", "nir"),
        5,
    )
    assert facts.provenance["epoch"] == 38
    assert facts.provenance["val_mean_iou"] == 0.75


def test_layers_width_bands_and_classes_are_read_off_the_files(tmp_path: Path) -> None:
    folder = GOLDEN / "published" / "L12"
    coding_files = (folder / "third_connect.npy", folder / "cell_operations.npy")
    state = random_state(read_release1(*coding_files), NetworkShape(6, 3, 2, head=24))
    checkpoint = write_checkpoint(tmp_path / "c.pth.tar", state)
    dataset = tmp_path / "snow.yaml"
    dataset.write_text(
        "bands: [swir, red, green]\n"
        "classes: {bare: [90, 60, 30], snow: [255, 255, 255]}\n"
        "normalisation: {scale: 1, mean: [1, 2, 3], std: [4, 5, 6]}\n"
    )
    out = tmp_path / "model.pt"
    dnas("import", *coding_files, checkpoint, "--dataset", dataset, "--out", out)
    model = load_model(out, CPU)
    assert model.architecture.graph.layers == 12
    assert model.facts.shape == NetworkShape(6, 3, 2, head=24)
    assert (model.facts.bands, model.facts.normalisation.std) == (
        ("swir", "red", "green"),
        (4, 5, 6),
    )
    with torch.inference_mode():
        assert model.network(torch.zeros(1, 3, 64, 96)).shape == (1, 2, 64, 96)


def test_an_imported_model_maps_a_scene(
    files: tuple[Path, Path, Path], tiny_scenes: Path, tmp_path: Path
) -> None:
    import_model(files, tmp_path / "model.pt")
    scene = sorted(tiny_scenes.glob("image_*/*.tif"))[0]
    dnas("predict", tmp_path / "model.pt", scene, "--out", tmp_path / "map.png", "--device", "cpu")
    assert (tmp_path / "map.png").stat().st_size > 0


def test_a_tile_set_tells_classes_bands_and_normalisation_too(
    files: tuple[Path, Path, Path], tiny_tiles: Path, tmp_path: Path
) -> None:
    dnas("import", *files, "--dataset", tiny_tiles, "--out", tmp_path / "model.pt")
    facts = load_model(tmp_path / "model.pt", CPU).facts
    assert facts.tile_size == 32
    assert set(facts.statistics) == set(facts.bands)


def test_dead_cells_are_left_out_and_change_nothing(tmp_path: Path) -> None:
    connections, operations = write_codings(tmp_path)
    living = read_release1(connections, operations)
    whole = np.concatenate([np.load(connections), [[[3, 3], [4, 0]], [[1, 0], [3, 3]]]])
    whole = np.concatenate([whole, [[[2, 2], [4, 1]]]])  # (3,3) is fed here, (2,2) is not
    np.save(connections, whole)
    coding = read_release1(connections, operations)
    assert [item.key for item in coding.dropped] == ["2,2>4,1"]

    state = random_state(coding, NetworkShape(4, 4, 5))
    checkpoint = write_checkpoint(tmp_path / "c.pth.tar", state)
    import_model((connections, operations, checkpoint), tmp_path / "model.pt")
    network = load_model(tmp_path / "model.pt", CPU).network
    assert len(network.graph.edges) == len(living.graph.edges) + 2
    dropped = load_model(tmp_path / "model.pt", CPU).facts.provenance["dropped_cells"]
    assert [cell["executed"] for cell in dropped] == [False]

    fewer = {key: value for key, value in state.items() if "cells.4.1.[2 2]" not in key}
    assert len(fewer) < len(state)
    checkpoint = write_checkpoint(tmp_path / "d.pth.tar", fewer)
    import_model((connections, operations, checkpoint), tmp_path / "fewer.pt")
    image = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        again = load_model(tmp_path / "fewer.pt", CPU).network(image)
        assert torch.equal(network(image), again)


def test_weights_of_several_gpus_and_bare_state_dicts_import(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    import_model(files, tmp_path / "model.pt")
    expected = load_model(tmp_path / "model.pt", CPU).network.state_dict()
    state = golden_state("retrain_L5")
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save(state, tmp_path / "bare.pth")
    for index, checkpoint in enumerate(
        (write_checkpoint(tmp_path / "w.pth.tar", wrapped), tmp_path / "bare.pth")
    ):
        out = tmp_path / f"{index}.pt"
        import_model((*files[:2], checkpoint), out)
        found = load_model(out, CPU).network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in expected.items())
