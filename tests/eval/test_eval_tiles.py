"""`dnas eval` over the tiles of a split: which pixels and which bands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.metrics import IGNORE
from dnas_cli.model.model_file import Model, save_model
from dnas_cli.nets.network import build_derived
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas
from tests.support.evaluating import labelled_pixels

CPU = torch.device("cpu")
BANDS = (0, 1, 2, 3)


def test_every_labelled_pixel_is_scored_once_whatever_the_batch(
    tiles: TileSet, model: Model
) -> None:
    matrices = [
        evaluate_tiles(model.network, tiles.normalisation, tiles, "test", CPU, BANDS, batch)
        for batch in (1, 4, 100)  # nine tiles: the last batch of four holds one
    ]
    assert matrices[0].pixels == labelled_pixels(tiles, "test")
    for matrix in matrices[1:]:
        assert np.array_equal(matrix.counts, matrices[0].counts)


def test_a_network_that_knows_the_labels_scores_one(tiles: TileSet) -> None:
    refs = iter(tiles.split("val"))

    def oracle(images: Tensor) -> Tensor:
        labels = np.stack([tiles.read(next(refs))[2] for _ in images])
        labels[labels == IGNORE] = 0
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 5)
        return one_hot.permute(0, 3, 1, 2).float()

    matrix = evaluate_tiles(oracle, tiles.normalisation, tiles, "val", CPU, BANDS, 4)
    assert matrix.metrics().mean_iou == 1.0


def test_the_network_gets_normalised_bands_in_its_own_order(tiles: TileSet) -> None:
    seen: list[Tensor] = []

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return torch.zeros(len(images), 5, 64, 64)

    normalisation = Normalisation(0.5, (1.0, 2.0), (4.0, 8.0))
    evaluate_tiles(network, normalisation, tiles, "test", CPU, (3, 0), 1)
    image, _, _ = tiles.read(tiles.split("test")[0])
    assert seen[0][0, 0].numpy() == pytest.approx((image[3] * 0.5 - 1) / 4)
    assert seen[0][0, 1].numpy() == pytest.approx((image[0] * 0.5 - 2) / 8)


def test_bands_in_another_order_are_put_right(tiles: TileSet, model: Model, tmp_path: Path) -> None:
    image, valid, _ = tiles.read(tiles.split("test")[0])
    with torch.no_grad():  # no class leads everywhere, so that it matters what the bands hold
        logits = model.network(torch.from_numpy(tiles.normalisation.apply(image, valid))[None])
        model.network.head[-1].bias -= logits.mean((0, 2, 3))
    save_model(tmp_path / "model.pt", model)

    order = (3, 2, 1, 0)
    normalisation = Normalisation(
        tiles.normalisation.scale,
        tuple(tiles.normalisation.mean[index] for index in order),
        tuple(tiles.normalisation.std[index] for index in order),
    )
    facts = replace(
        model.facts, bands=tuple(tiles.bands[i] for i in order), normalisation=normalisation
    )
    turned = build_derived(model.architecture, facts.shape)
    turned.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        weight = model.network.get_parameter("stem.0.0.weight")
        turned.get_parameter("stem.0.0.weight").copy_(weight[:, list(order)])
    save_model(tmp_path / "turned.pt", Model(turned.eval(), model.architecture, facts))

    counts = []
    for path in (tmp_path / "model.pt", tmp_path / "turned.pt"):
        result = dnas("eval", path, tiles.root, "--json")
        counts.append(np.array(json.loads(result.stdout)["confusion"]["counts"]))
    assert (counts[0].sum(axis=0) > 0).all()
    # Sums in another order may differ in the last digit, which ties can turn.
    assert np.abs(counts[0] - counts[1]).sum() <= 0.001 * counts[0].sum()
