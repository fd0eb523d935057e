"""The strong recipe's parts: views, exposure, mixing, the order of tiles, Dice, warm-up."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from dnas_cli.scenes.image_operations import blur, lower_resolution, warp_classes, warp_image
from dnas_cli.training.augmentation import sample_generator
from dnas_cli.training.epoch_order import RareTiles, epoch_order
from dnas_cli.training.losses import cross_entropy, cross_entropy_and_dice, dice
from dnas_cli.training.mixing import cut_out, mix_classes
from dnas_cli.training.strong_augmentation import random_exposure, random_view, strong_augmentation

Image = npt.NDArray[np.float32]


def _gradient(side: int = 32) -> Image:
    """Return x and y of every pixel as two bands."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    return np.stack([columns, rows])


def test_a_view_shows_the_places_that_its_map_says() -> None:
    """Bands that hold x and y come out as the affine map of the result's own x and y."""
    image, seen = _gradient(64), []
    for index in range(60):
        affine = random_view(64, 64, 48, sample_generator(0, 0, index))
        step = math.sqrt(abs(np.linalg.det(affine[:, :2])))
        seen.append(1 / step)
        rows, columns = np.mgrid[:48, :48]
        expected = affine @ np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
        found = warp_image(image, affine, 48).reshape(2, -1)
        inside = ((expected > 8) & (expected < 55)).all(0)  # blur and mirror act at the border
        assert np.abs(found - expected)[:, inside].max(initial=0) < 0.05
    assert 0.5 <= min(seen) < 0.6
    assert 1.7 < max(seen) <= 2.0


def test_image_validity_and_label_of_a_view_belong_together() -> None:
    label = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4), 16, 0), 16, 1)
    image, valid = np.stack([label] * 5).astype(np.float32), label > 3
    for index in range(40):
        rng = sample_generator(1, 0, index)
        affine = random_view(64, 64, 32, rng)
        moved = warp_classes(label, affine, 32)
        assert set(np.unique(moved)) <= set(range(16))
        result = strong_augmentation(
            np.where(valid, image, 0), valid, label, np.full(5, -1, np.float32), 32,
            sample_generator(1, 0, index),
        )  # fmt: skip
        assert [part.shape for part in result] == [(5, 32, 32), (32, 32), (32, 32)]
        assert np.array_equal(result[2], np.where(result[1], moved, 255))
        assert np.array_equal(result[1], moved > 3)
        assert not result[0][:, ~result[1]].any()
        assert result[0].dtype == np.float32


def test_the_strong_augmentation_is_a_function_of_seed_epoch_and_tile() -> None:
    image, valid, label = _gradient(), np.ones((32, 32), bool), np.zeros((32, 32), np.uint8)

    def drawn(*place: int) -> Image:
        black = np.zeros(2, np.float32)
        return strong_augmentation(image, valid, label, black, 32, sample_generator(*place))[0]

    assert np.array_equal(drawn(0, 1, 2), drawn(0, 1, 2))
    assert not np.array_equal(drawn(0, 1, 2), drawn(0, 2, 2))
    assert not np.array_equal(drawn(0, 1, 2), drawn(0, 1, 3))


def test_exposure_keeps_the_order_of_brightness_and_changes_mean_and_contrast() -> None:
    image = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    means, spreads = [], []
    for index in range(200):
        changed = random_exposure(image, np.full(1, -2, np.float32), sample_generator(0, 0, index))
        assert (np.diff(changed.ravel()) > 0).all()
        means.append(changed.mean())
        spreads.append(changed.std() / image.std())
    assert min(means) < -0.6
    assert max(means) > 0.8
    assert min(spreads) < 0.5
    assert max(spreads) > 1.8


def test_blur_and_low_resolution_keep_the_mean_and_lose_detail() -> None:
    noise = np.random.default_rng(0).standard_normal((3, 64, 64)).astype(np.float32)
    for worse in (blur(noise, 1.0), lower_resolution(noise, 0.5)):
        assert worse.shape == noise.shape
        assert worse.mean() == pytest.approx(noise.mean(), abs=0.02)
        assert worse.std() < 0.7 * noise.std()


def _tiles(count: int = 4) -> tuple[Image, npt.NDArray[np.int64]]:
    """Return tiles whose pixels say where they come from: tile, row and column."""
    labels = np.random.default_rng(1).integers(0, 4, (count, 16, 16))
    labels[:, :2] = 255
    numbers = np.arange(labels.size, dtype=np.float32).reshape(labels.shape)
    return numbers[:, None], labels.astype(np.int64)


def test_pasted_classes_bring_their_pixels_and_labels_from_the_next_tile() -> None:
    images, labels = _tiles()
    before = images.copy(), labels.copy()
    mixed, classes = mix_classes(images, labels, 1.0, sample_generator(0, 0, 0))
    assert np.array_equal(images, before[0])
    assert np.array_equal(labels, before[1])
    for k in range(4):
        other = (k + 1) % 4
        pasted = mixed[k, 0] != images[k, 0]
        assert np.array_equal(mixed[k, 0][pasted], images[other, 0][pasted])
        assert np.array_equal(classes[k], np.where(pasted, labels[other], labels[k]))
        assert len(np.unique(labels[other][pasted])) == 2  # of four
        assert 255 not in labels[other][pasted]
    unchanged, _ = mix_classes(images, labels, 0.0, sample_generator(0, 0, 0))
    assert np.array_equal(unchanged, images)


def test_a_cut_out_square_counts_for_nothing() -> None:
    images, labels = _tiles(20)
    images += 1
    cut, classes = cut_out(images, labels, 0.5, sample_generator(0, 0, 0))
    hidden = (cut == 0)[:, 0]
    assert 4 < hidden.any((1, 2)).sum() < 16
    assert np.array_equal(classes, np.where(hidden, 255, labels))
    assert np.array_equal(cut[:, 0], np.where(hidden, 0, images[:, 0]))
    assert {2 <= math.isqrt(int(one.sum())) <= 5 for one in hidden if one.any()} == {True}
    assert all(math.isqrt(int(one.sum())) ** 2 == one.sum() for one in hidden)


def test_without_rare_classes_every_tile_comes_once() -> None:
    assert sorted(epoch_order(30, 5, 2)) == list(range(30))


def test_places_of_an_epoch_go_to_rare_classes_by_the_share() -> None:
    """One tile of fifty holds all of the second class; half of the places draw it half the time."""
    pixels = np.zeros((50, 2))
    pixels[:, 0], pixels[7, 1] = 100, 3
    rare = RareTiles(0.5, pixels / pixels.sum(0))
    counts = [int((epoch_order(50, 1, epoch, rare) == 7).sum()) for epoch in range(60)]
    assert 10 < np.mean(counts) < 17  # 50 * 0.5 * 0.5, and one in fifty of the others
    first, again, other = (epoch_order(50, 1, epoch, rare) for epoch in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_dice_is_what_one_computes_by_hand() -> None:
    """Two pixels of class 0 at probability 3/4, one of class 1 at 1/4, one ignored; no class 2."""
    sure = math.log(3)
    logits = torch.tensor([[[[sure, sure, sure, 0.0]], [[0.0, 0.0, 0.0, 9.0]]]])
    logits = torch.cat([logits, torch.full((1, 1, 1, 4), -100.0)], 1)
    target = torch.tensor([[[0, 0, 1, 255]]])
    of_first = 1 - (2 * 1.5 + 1) / (2.25 + 2 + 1)
    of_second = 1 - (2 * 0.25 + 1) / (0.75 + 1 + 1)
    assert dice(logits, target).item() == pytest.approx((of_first + of_second) / 2)
    both = cross_entropy(logits, target) + dice(logits, target)
    torch.testing.assert_close(cross_entropy_and_dice(logits, target), both)
