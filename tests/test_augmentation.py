"""Augmentation: what moves together, what stays, and how far light and scale go."""

from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnas_cli.run.settings import Augmentation, RetrainSettings
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.training.augmentation import (
    random_crop,
    random_light,
    random_scale,
    random_symmetry,
    sample_generator,
)
from dnas_cli.training.batches import TrainingTiles
from dnas_cli.training.strong_augmentation import random_exposure


def test_wider_light_changes_more_and_none_changes_nothing_but_bands() -> None:
    image, valid = np.full((1, 8, 8), 1.0, np.float32), np.ones((8, 8), bool)
    reach = {}
    for width in (0.0, 1.0, 2.0):
        seen = [
            float(random_light(image, valid, _black(-1.0), sample_generator(0, 0, k), width).mean())
            for k in range(200)
        ]
        reach[width] = min(seen), max(seen)
    # Two above black, times exp(0.5 + 0.03), plus haze of 0.2 + 0.03, and back down by one.
    assert 2.2 < reach[1.0][1] < 2 * np.exp(0.53) - 1 + 0.23
    assert reach[2.0][1] > 4
    assert 0.9 < reach[0.0][0] < reach[0.0][1] < 1.1
    strong = [random_exposure(image, _black(-1.0), sample_generator(0, 0, 3), w) for w in (1, 3)]
    assert abs(strong[1] - image).mean() > 2 * abs(strong[0] - image).mean()


def test_light_changes_leave_missing_pixels_alone() -> None:
    image, valid, black = np.ones((3, 4, 4), np.float32), np.ones((4, 4), bool), _black(-1.0)
    image[:, 0, 0], valid[0, 0] = 0.0, False
    changed = random_light(image, valid, black, sample_generator(0, 0, 1))
    assert changed.dtype == np.float32
    assert np.array_equal(changed[:, 0, 0], np.zeros(3))
    assert not np.allclose(changed[:, 1, 1], 1.0)
    again = random_light(image, valid, black, sample_generator(0, 0, 1))
    assert np.array_equal(changed, again)


def test_exposure_multiplies_what_the_sensor_saw() -> None:
    """Differences keep their proportions, and black gets haze only."""
    image = np.array([[[-1.0, 0.0, 1.0]]] * 3, np.float32)
    valid = np.ones((1, 3), bool)
    drawn = [
        random_light(image, valid, _black(-2.0), sample_generator(0, 0, index))[:, 0]
        for index in range(200)
    ]
    steps = np.diff(np.stack(drawn), axis=2)  # the gain, by band
    assert np.allclose(steps[..., 0], steps[..., 1], atol=1e-5)
    assert 0.5 < steps.min() < 0.7
    assert 1.5 < steps.max() < 1.9
    haze = np.stack(drawn)[..., 0] - (steps[..., 0] - 2)
    assert np.abs(haze).max() < 0.31


def test_bands_far_from_zero_are_not_thrown_out_of_their_range() -> None:
    image, valid = np.zeros((3, 4, 4), np.float32), np.ones((4, 4), bool)
    for index in range(50):
        changed = random_light(image, valid, _black(-60.0), sample_generator(0, 0, index))
        assert np.abs(changed).max() < 2.0


def _black(value: float) -> npt.NDArray[np.float32]:
    return np.full(3, value, np.float32)


def test_image_and_label_move_together() -> None:
    label = np.arange(36, dtype=np.uint8).reshape(6, 6)
    image, valid = label[None].astype(np.float32), label % 5 > 0
    seen = set()
    for index in range(64):
        rng = sample_generator(0, 0, index)
        cut = random_crop(image, valid, label, 4, rng)
        new_image, new_valid, new_label = random_symmetry(*cut, "dihedral", rng)
        assert np.array_equal(new_image[0], new_label)
        assert np.array_equal(new_valid, new_label % 5 > 0)
        assert new_label.shape == (4, 4)
        seen.add(new_label.tobytes())
    assert len(seen) > 30


def test_mirroring_is_left_to_right_only() -> None:
    label = np.arange(4, dtype=np.uint8).reshape(2, 2)
    results = {
        random_symmetry(label[None], label > 9, label, "mirror", sample_generator(0, 0, index))[
            2
        ].tobytes()
        for index in range(20)
    }
    assert results == {label.tobytes(), label[:, ::-1].tobytes()}


def test_half_of_the_tiles_are_shown_larger_or_smaller_with_their_labels() -> None:
    """The image is a function of the label, and stays it where the label is far from its edges."""
    label = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4), 16, 0), 16, 1)
    image = np.stack([label, 2 * label]).astype(np.float32)
    valid = label > 0
    image[:, ~valid] = 0.0
    zooms = []
    for index in range(300):
        rng = sample_generator(0, 0, index)
        new_image, new_valid, new_label = random_scale(image, valid, label, rng)
        assert (new_image.shape, new_label.shape) == (image.shape, label.shape)
        assert (new_image.dtype.name, new_label.dtype.name) == ("float32", "uint8")
        assert not new_image[:, ~new_valid].any()
        assert not new_valid[(new_label == 0) | (new_label == 255)].any()
        flat = new_valid & _flat(new_label)
        assert flat.any()
        assert np.abs(new_image[0] - new_label)[flat].max() < 1e-4
        assert np.abs(new_image[1] - 2.0 * new_label)[flat].max() < 1e-4
        if new_label is not label:
            zooms.append(_zoom(new_label))
    assert 110 < len(zooms) < 190
    assert 0.6 < min(zooms) < 0.75
    assert 1.35 < max(zooms) < 1.6
    assert 0.3 < np.mean(np.array(zooms) > 1) < 0.7


def _flat(label: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where the label is the same three pixels to every side."""
    padded = np.pad(label, 3, constant_values=254)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7))
    same: npt.NDArray[np.bool_] = (windows == label[..., None, None]).all((2, 3))
    return same


def _zoom(label: npt.NDArray[np.uint8]) -> float:
    """The length of the longest run along the middle of the tile, of which 16 were."""
    shown = label[:, (label != 255).any(0)]
    shown = shown[(shown != 255).any(1)]
    runs = [
        len(run)
        for line in (*shown, *shown.T)
        for run in np.split(line, np.flatnonzero(np.diff(line)) + 1)
    ]
    return max(runs) / 16


def test_a_tile_that_is_not_square_and_all_missing_can_be_scaled() -> None:
    image, valid = np.zeros((1, 5, 9), np.float32), np.zeros((5, 9), bool)
    label = np.full((5, 9), 255, np.uint8)
    for index in range(30):
        rng = sample_generator(0, 0, index)
        new_image, new_valid, new_label = random_scale(image, valid, label, rng)
        assert (new_image.shape, new_valid.shape, new_label.shape) == ((1, 5, 9), (5, 9), (5, 9))
        assert (new_label == 255).all()


def test_each_kind_of_augmentation_does_what_the_one_before_does_and_more(tiny_tiles: Path) -> None:
    tiles = open_tile_set(tiny_tiles)
    kinds = get_args(Augmentation)
    first: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for kind in kinds:
        settings = RetrainSettings(epochs=1, augment=kind)
        samples = TrainingTiles(tiles, tiles.split("train"), settings, 0)
        first[kind] = [samples[epoch, 0] for epoch in range(20)]  # type: ignore[misc]
    dihedral, light, scale = (first[kind] for kind in kinds[1:4])
    assert all(torch.equal(a[1], b[1]) for a, b in zip(dihedral, light, strict=True))
    assert not any(torch.equal(a[0], b[0]) for a, b in zip(dihedral, light, strict=True))
    same = [torch.equal(a[0], b[0]) for a, b in zip(light, scale, strict=True)]
    assert 4 < sum(same) < 16
    assert any((b[1] == 255).sum() > (a[1] == 255).sum() for a, b in zip(light, scale, strict=True))


def test_a_tile_is_changed_alike_whenever_it_is_drawn() -> None:
    image = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    valid, label = np.ones((32, 32), bool), np.zeros((32, 32), np.uint8)
    for index in range(20):
        first, again = (
            random_scale(image, valid, label, sample_generator(0, 3, index)) for _ in range(2)
        )
        for a, b in zip(first, again, strict=True):
            assert np.array_equal(np.asarray(a), np.asarray(b))
