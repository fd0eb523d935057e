"""Streaming a map, window by window: the same as of the whole scene at once."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from dnas_cli.mapping.blending import FULL_SHARE, MapRows
from dnas_cli.mapping.stream import Predictor, stream_map
from dnas_cli.mapping.windows import WindowGrid, reflected
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.raster import Window

CPU = torch.device("cpu")
PLAIN = Normalisation(1 / 255, (0.0, 0.0), (1.0, 1.0))


class ArrayScene:
    """A scene in memory that remembers what was read of it."""

    def __init__(
        self, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
    ) -> None:
        self.values = values
        self.height, self.width = values.shape[1:]
        self.data = np.ones(values.shape[1:], np.bool_) if valid is None else valid
        self.read: list[Window] = []

    def read_with_validity(self, window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        self.read.append(window)
        rows = slice(window.row, window.row + window.height)
        columns = slice(window.column, window.column + window.width)
        return self.values[:, rows, columns], self.data[rows, columns]


def random_scene(height: int, width: int, holes: float = 0.0) -> ArrayScene:
    random = np.random.default_rng(7)
    values = random.integers(0, 256, (2, height, width)).astype(np.uint8)
    return ArrayScene(values, random.random((height, width)) >= holes)


def contextual_network() -> torch.nn.Module:
    """A network whose answer at a pixel depends on its surroundings, so that windows matter."""
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(6, 3, 5, padding=2)
    ).eval()


def band_network(images: torch.Tensor) -> torch.Tensor:
    """Class 0 where band 1 is the larger, else class 1; looks at single pixels only."""
    return 20 * images


def mapped(
    scene: ArrayScene, grid: WindowGrid, network: Any = band_network, **more: Any
) -> list[MapRows]:
    classes = 3 if isinstance(network, torch.nn.Module) else 2
    reader = Predictor(
        network, classes, PLAIN, CPU, more.pop("batch", 1), more.pop("views", "plain")
    )
    return list(stream_map(scene, reader, grid, **more))  # type: ignore[arg-type]


def joined(rows: list[MapRows]) -> npt.NDArray[np.uint8]:
    return np.concatenate([item.classes for item in rows])


# One pixel, lines, primes, around the window of 32, and several windows.
SIZES = [(1, 1), (1, 50), (50, 1), (31, 37), (32, 32), (33, 31), (53, 47), (40, 90)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("grid", [WindowGrid(32, 8), WindowGrid(32, 16, 9), WindowGrid(17, 0)])
def test_streaming_equals_blending_the_whole_scene_at_once(
    height: int, width: int, grid: WindowGrid
) -> None:
    scene = random_scene(height, width, holes=0.1)
    network = contextual_network()
    expected = _blended_at_once(scene, grid, network)
    rows = mapped(scene, grid, network, batch=3, with_probabilities=True)
    shares = np.concatenate(
        [item.probabilities for item in rows if item.probabilities is not None], 1
    )
    valid = scene.data
    assert np.abs(shares[:, valid] - FULL_SHARE * expected[:, valid]).max(initial=0) <= 0.51
    confidence = np.concatenate([item.confidence for item in rows])
    assert np.array_equal(confidence, np.where(valid, shares.max(axis=0), 255))
    assert (joined(rows)[~valid] == 255).all()
    sure = valid & (np.diff(np.sort(expected, axis=0)[-2:], axis=0)[0] > 1e-5)
    assert np.array_equal(joined(rows)[sure], expected.argmax(axis=0)[sure])


def _blended_at_once(
    scene: ArrayScene, grid: WindowGrid, network: torch.nn.Module
) -> npt.NDArray[np.float64]:
    """Add all windows up in one array of the scene's size: slow, large and obviously right."""
    total = np.zeros((3, scene.height, scene.width))
    for down, across in itertools.product(grid.spans(scene.height), grid.spans(scene.width)):
        rows = reflected(down.start, grid.window, scene.height)[:, None]
        columns = reflected(across.start, grid.window, scene.width)
        image = PLAIN.apply(scene.values[:, rows, columns], scene.data[rows, columns])
        with torch.inference_mode():
            shares = network(torch.from_numpy(image)[None]).softmax(dim=1)[0].numpy()
        weights = np.outer(down.weights, across.weights)
        y, x = down.start + np.arange(grid.window), across.start + np.arange(grid.window)
        inside_y, inside_x = (y >= 0) & (y < scene.height), (x >= 0) & (x < scene.width)
        inside = (weights * shares)[:, inside_y][:, :, inside_x]
        total[:, y[inside_y][:, None], x[inside_x]] += inside
    return total


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_network_that_looks_at_single_pixels_gives_the_same_map_with_any_windows(
    height: int, width: int
) -> None:
    scene = random_scene(height, width)
    expected = (scene.values[1] > scene.values[0]).astype(np.uint8)
    differ = scene.values[0] != scene.values[1]
    for grid in (WindowGrid(32, 8), WindowGrid(16, 5, 4), WindowGrid(11, 3)):
        assert np.array_equal(joined(mapped(scene, grid))[differ], expected[differ])


def test_constant_input_gives_a_constant_map_up_to_the_border() -> None:
    scene = ArrayScene(np.full((2, 75, 90), 100, np.uint8))

    def first_class_if_all_alike(images: torch.Tensor) -> torch.Tensor:
        flat = images.amax((1, 2, 3)) == images.amin((1, 2, 3))
        return torch.stack([flat, ~flat], 1)[:, :, None, None].float().expand(-1, -1, 32, 32)

    assert (joined(mapped(scene, WindowGrid(32, 8), first_class_if_all_alike)) == 0).all()


def test_invalid_pixels_do_not_change_what_the_network_sees_beside_them() -> None:
    clean = random_scene(40, 40)
    clean.data[10:20, 10:20] = False
    dirty = ArrayScene(clean.values.astype(np.float32), clean.data)
    dirty.values[:, 10:20, 10:20] = np.nan
    extreme = ArrayScene(clean.values.astype(np.float32), clean.data)
    extreme.values[:, 10:20, 10:20] = np.finfo(np.float32).min
    grid, network = WindowGrid(32, 8), contextual_network()
    expected = joined(mapped(clean, grid, network))
    assert (expected[10:20, 10:20] == 255).all()
    assert np.array_equal(joined(mapped(dirty, grid, network)), expected)
    assert np.array_equal(joined(mapped(extreme, grid, network)), expected)


def test_windows_without_data_are_not_computed() -> None:
    scene = random_scene(32, 320)
    scene.data[:, :200] = False
    seen = 0

    def counting(images: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(images)
        return band_network(images)

    rows = mapped(scene, WindowGrid(32, 0), counting, batch=4)
    assert seen == 4  # of ten windows: columns 192 to 319
    assert np.array_equal(joined(rows) == 255, ~scene.data)


def test_mirrored_views_are_averaged() -> None:
    scene = random_scene(32, 32)
    network = contextual_network()
    grid = WindowGrid(32, 0)
    rows = mapped(scene, grid, network, views="flips", with_probabilities=True)
    image = torch.from_numpy(PLAIN.apply(scene.values))[None]
    with torch.inference_mode():
        views = [network(image.flip(axes)).softmax(1).flip(axes) for axes in ([], [2], [3], [2, 3])]
    expected = FULL_SHARE * torch.stack(views).mean(0)[0].numpy()
    assert rows[0].probabilities is not None
    assert np.abs(rows[0].probabilities - expected).max() <= 0.51


def test_rows_are_read_a_row_of_windows_at_a_time_and_never_more() -> None:
    scene = random_scene(500, 40)
    rows = mapped(scene, WindowGrid(32, 8))
    assert max(window.height for window in scene.read) <= 32
    assert max(len(item.classes) for item in rows) <= 32
    assert [item.row for item in rows] == list(
        itertools.accumulate([0, *(len(item.classes) for item in rows[:-1])])
    )


def test_continuing_from_finished_rows_gives_the_same_map_to_the_bit() -> None:
    scene, grid, network = random_scene(150, 60), WindowGrid(32, 8), contextual_network()
    rows = mapped(scene, grid, network, with_probabilities=True)
    for first in rows[1:]:
        again = mapped(scene, grid, network, with_probabilities=True, first_row=first.row)
        assert again[0].row == first.row
        for old, new in zip(rows[len(rows) - len(again) :], again, strict=True):
            assert np.array_equal(old.classes, new.classes)
            assert old.probabilities is not None
            assert new.probabilities is not None
            assert np.array_equal(old.probabilities, new.probabilities)
