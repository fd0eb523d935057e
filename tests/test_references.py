"""Plain references: the majority class and the best per-pixel classifier."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dnas_cli.datasets.description import load_description
from dnas_cli.demo.scenes import write_scenes
from dnas_cli.errors import DataError
from dnas_cli.evaluation.references import ByColour, Reference, evaluate_references, sample_pixels
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.tile_files import write_label_tile
from dnas_cli.tiles.make_tile_set import make_tile_set
from dnas_cli.tiles.settings import TilingOptions, TilingSettings
from dnas_cli.tiles.tile_set import TileSet


def _tile_set(folder: Path) -> TileSet:
    return make_tile_set(
        folder / "gid5",
        folder / "tiles",
        TilingSettings(load_description("gid5"), size=64),
        TilingOptions(),
    )


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TileSet:
    """A tile set of five synthetic scenes: three for training, one each for val and test."""
    folder = tmp_path_factory.mktemp("references")
    write_scenes(folder / "gid5", 1, range(5), 192)
    return _tile_set(folder)


@pytest.fixture(scope="module")
def references(tiles: TileSet) -> tuple[Reference, ...]:
    """The references on the test split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dnas_cli.evaluation.references._SAMPLE_PIXELS", 20_000)
        return evaluate_references(tiles, "test")


def _labels(tiles: TileSet, split: str) -> npt.NDArray[np.uint8]:
    return np.stack([tiles.read(ref)[2] for ref in tiles.split(split)])


def test_the_majority_class_is_that_of_the_training_split(
    tiles: TileSet, references: tuple[Reference, ...]
) -> None:
    always, _ = references
    train, test = _labels(tiles, "train"), _labels(tiles, "test")
    expected = int(np.argmax([(train == index).sum() for index in range(5)]))
    assert (always.name, always.detail) == ("majority class", tiles.classes[expected].name)
    assert always.matrix.metrics().overall_accuracy == pytest.approx(
        (test == expected).sum() / (test != IGNORE).sum()
    )


def test_the_per_pixel_classifier_scores_every_labelled_pixel_and_beats_the_majority(
    tiles: TileSet, references: tuple[Reference, ...]
) -> None:
    always, by_pixel = references
    assert by_pixel.name == "per pixel"
    assert by_pixel.detail in ("Gaussian naive Bayes", "gradient-boosted trees")
    assert by_pixel.matrix.pixels == (_labels(tiles, "test") != IGNORE).sum()
    assert always.matrix.pixels == by_pixel.matrix.pixels
    assert by_pixel.matrix.metrics().mean_iou > always.matrix.metrics().mean_iou
    assert by_pixel.selection_iou is not None


@pytest.mark.parametrize(("bands", "kind"), [(3, np.uint8), (4, np.uint8), (3, np.uint16)])
def test_a_classifier_by_colour_says_what_it_says_of_every_pixel(
    bands: int, kind: type[np.uint8 | np.uint16]
) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 4, (2, bands, 20, 20)).astype(kind) * 50
    where = rng.random((2, 20, 20)) < 0.8
    asked: list[int] = []

    class Parity:
        def predict(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
            asked.append(len(values))
            return np.asarray((values.sum(1) // 50) % 2, np.uint8)

    by_colour = ByColour(Parity())
    for image, chosen in zip(images, where, strict=True):
        expected = (image[:, chosen].astype(int).sum(0) // 50) % 2
        np.testing.assert_array_equal(by_colour.predict(image, chosen), expected)
    few = bands == 3 and kind is np.uint8
    assert sum(asked) <= 4**3 if few else sum(asked) == where.sum()


def test_references_are_the_same_every_time(
    tiles: TileSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnas_cli.evaluation.references._SAMPLE_PIXELS", 5000)
    first, second = (evaluate_references(tiles, "val")[1].matrix for _ in range(2))
    assert np.array_equal(first.counts, second.counts)


def test_the_sample_holds_labelled_pixels_of_all_tiles_within_its_bound(
    tiles: TileSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnas_cli.evaluation.references._SAMPLE_PIXELS", 270)
    values, labels = sample_pixels(tiles, "train", 0)

    assert len(tiles.split("train")) == 27
    assert 0 < len(labels) <= 270  # ten of each tile at most
    assert values.shape == (len(labels), 4)
    assert (labels != IGNORE).all()


def test_a_training_split_of_one_class_still_has_references(tmp_path: Path) -> None:
    write_scenes(tmp_path / "gid5", 2, range(3), 64)
    tiles = _tile_set(tmp_path)
    for ref in tiles.split("train"):
        label = np.full((64, 64), 2, np.uint8)
        write_label_tile(tiles.tiles_folder / ref.label, label, tiles.classes)
    _, by_pixel = evaluate_references(tiles, "train")

    assert by_pixel.matrix.metrics().overall_accuracy == 1.0
    assert by_pixel.selection_iou is None


def test_a_training_split_without_labels_is_bad_data(tmp_path: Path) -> None:
    write_scenes(tmp_path / "gid5", 2, range(3), 64)
    tiles = _tile_set(tmp_path)
    for ref in tiles.split("train"):
        label = np.full((64, 64), IGNORE, np.uint8)
        write_label_tile(tiles.tiles_folder / ref.label, label, tiles.classes)
    with pytest.raises(DataError, match="no labelled pixel to learn from"):
        evaluate_references(tiles, "test")
