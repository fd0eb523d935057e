"""Windows, blending, streaming, and what is decided before a scene is mapped."""

import itertools
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dnas_cli.errors import DataError, DnasError, RunStateError, UsageError
from dnas_cli.mapping.bands import choose_bands
from dnas_cli.mapping.blending import FULL_SHARE, MapRows
from dnas_cli.mapping.memory import row_bytes
from dnas_cli.mapping.outputs import OutputPatterns, plan_outputs, scene_name
from dnas_cli.mapping.part_file import open_part, part_folder
from dnas_cli.mapping.sources import find_scenes
from dnas_cli.mapping.stream import Reader, stream_map
from dnas_cli.mapping.threads import prefetched, written_behind
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
    reader = Reader(network, classes, PLAIN, CPU, more.pop("batch", 1), more.pop("flips", False))
    return list(stream_map(scene, reader, grid, **more))  # type: ignore[arg-type]


def joined(rows: list[MapRows]) -> npt.NDArray[np.uint8]:
    return np.concatenate([item.classes for item in rows])


def test_windows_begin_half_an_overlap_before_the_scene_and_end_as_far_behind() -> None:
    starts = [span.start for span in WindowGrid(512, 128).spans(1000)]
    assert starts == [-64, 320, 704]


def test_a_scene_that_fits_one_window_lies_in_its_middle() -> None:
    spans = WindowGrid(512, 128).spans(200)
    assert [span.start for span in spans] == [-156]
    assert (spans[0].weights == 1).all()


@given(
    length=st.integers(1, 300),
    window=st.integers(1, 80),
    overlap_share=st.floats(0, 1),
    shift_share=st.floats(0, 1, exclude_max=True),
)
@settings(deadline=None, max_examples=100)
def test_weights_add_up_to_one_at_every_pixel_of_any_scene(
    length: int, window: int, overlap_share: float, shift_share: float
) -> None:
    overlap = int(window // 2 * overlap_share)
    grid = WindowGrid(window, overlap, int(shift_share * (window - overlap)))
    total = np.zeros(length)
    for span in grid.spans(length):
        for offset, weight in enumerate(span.weights):
            if 0 <= span.start + offset < length:
                total[span.start + offset] += weight
    assert total == pytest.approx(1)


def test_pixels_outside_the_scene_are_mirrored_as_often_as_needed() -> None:
    assert reflected(-2, 9, 4).tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert reflected(-3, 5, 1).tolist() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(("window", "overlap"), [(0, 0), (64, 33), (64, -1)])
def test_windows_that_make_no_sense_are_refused(window: int, overlap: int) -> None:
    with pytest.raises(UsageError):
        WindowGrid(window, overlap)


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
    rows = mapped(scene, grid, network, flips=True, with_probabilities=True)
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
    for begun in rows[1:]:
        again = mapped(scene, grid, network, with_probabilities=True, first_row=begun.row)
        assert again[0].row == begun.row
        for old, new in zip(rows[len(rows) - len(again) :], again, strict=True):
            assert np.array_equal(old.classes, new.classes)
            assert np.array_equal(old.probabilities, new.probabilities)


def test_memory_of_rows_follows_from_the_width_alone_and_stays_small() -> None:
    # 30,000 pixels, 4 bands in 8 bits, 5 classes: 184 MB of scene, 77 of shared rows, 46 of map.
    size = row_bytes(30_000, 4, "uint8", 5, WindowGrid(512, 128), with_shares=False)
    assert size == 2 * 512 * 30_000 * 6 + 5 * 128 * 30_000 * 4 + 2 * 384 * 30_000 * 2
    assert size < 310e6


class TestThreads:
    """Reading ahead of the network and writing behind it."""

    def test_items_come_in_order_and_never_more_than_one_ahead(self) -> None:
        made: list[int] = []

        def items() -> Generator[int, None, None]:
            for number in range(6):
                made.append(number)
                yield number

        for number in prefetched(items()):
            assert made[-1] <= number + 1
        assert made == [0, 1, 2, 3, 4, 5]

    def test_what_goes_wrong_ahead_is_raised_in_its_place(self) -> None:
        def items() -> Generator[int, None, None]:
            yield 1
            raise DataError("damaged")

        ahead = prefetched(items())
        assert next(ahead) == 1
        with pytest.raises(DataError, match="damaged"):
            next(ahead)

    def test_whoever_stops_early_leaves_no_thread_behind(self) -> None:
        closed = []

        def items() -> Generator[int, None, None]:
            try:
                yield from range(100)
            finally:
                closed.append(True)

        before = threading.active_count()
        ahead = prefetched(items())
        next(ahead)
        ahead.close()
        assert closed
        assert threading.active_count() == before

    def test_all_is_written_whatever_ends_the_work(self) -> None:
        written: list[int] = []

        def interrupted() -> None:
            with written_behind(written.append) as write:
                write(1)
                write(2)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert written == [1, 2]

    @pytest.mark.parametrize("items", [1, 3])
    def test_a_full_disk_behind_is_raised_at_the_next_item_or_at_the_end(self, items: int) -> None:
        def full(item: int) -> None:
            raise DnasError("the disk is full")

        def work() -> None:
            with written_behind(full) as write:
                for item in range(items):
                    write(item)

        with pytest.raises(DnasError, match="full"):
            work()


class TestBands:
    """Which bands the network gets."""

    def test_names_decide_in_any_order_and_the_user_is_told(self) -> None:
        choice = choose_bands("a.tif", ("nir", "Red", "green", "blue"), ("red", "green", "nir"))
        assert choice.bands == ("Red", "green", "nir")
        assert "Red, green, nir" in choice.note

    def test_bands_without_names_are_taken_as_they_are(self) -> None:
        choice = choose_bands("a.tif", ("1", "2"), ("red", "nir"))
        assert choice.bands == ("1", "2")
        assert not choice.note
        assert not choice.doubt

    def test_one_band_without_a_name_takes_the_place_that_is_left(self) -> None:
        choice = choose_bands(
            "a.tif", ("blue", "green", "red", "4"), ("red", "green", "blue", "nir")
        )
        assert choice.bands == ("red", "green", "blue", "4")

    def test_names_that_contradict_the_model_are_doubted(self) -> None:
        choice = choose_bands("a.tif", ("swir", "nir"), ("red", "green"))
        assert "swir for red" in choice.doubt

    @pytest.mark.parametrize("count", [1, 3, 6])
    def test_another_number_of_bands_is_refused(self, count: int) -> None:
        names = tuple(str(number + 1) for number in range(count))
        with pytest.raises(DataError, match=r"model needs 4 bands \(red, green, blue, nir\)"):
            choose_bands("a.tif", names, ("red", "green", "blue", "nir"))

    def test_names_for_every_band_outdo_a_file_that_does_not_name_them_all(self) -> None:
        """GDAL takes an 8-bit N R G B file for red, green, blue and something."""
        choice = choose_bands(
            "a.tif",
            ("red", "green", "blue", "4"),
            ("red", "green", "blue", "nir"),
            ("nir", "red", "green", "blue"),
        )
        assert choice.bands == ("green", "blue", "4", "red")

    def test_numbers_are_taken_as_given(self) -> None:
        choice = choose_bands("a.tif", ("1", "2", "3", "4"), ("r", "g", "b"), ("4", "3", "2"))
        assert choice.bands == (4, 3, 2)

    def test_names_given_to_a_file_without_names_say_what_its_bands_are(self) -> None:
        choice = choose_bands(
            "a.tif", ("1", "2", "3", "4"), ("red", "green", "blue", "nir"),
            ("nir", "red", "green", "blue"),
        )  # fmt: skip
        assert choice.bands == ("2", "3", "4", "1")

    def test_too_few_wishes_are_refused(self) -> None:
        with pytest.raises(DataError, match="--bands gives 2 bands"):
            choose_bands("a.tif", ("1", "2", "3"), ("red", "green", "blue"), ("3", "2"))

    def test_a_name_the_file_does_not_have_is_refused(self) -> None:
        with pytest.raises(DataError, match="no band 'nir'"):
            choose_bands("a.tif", ("red", "green"), ("nir",), ("nir",))


class TestOutputs:
    """Which files a map becomes."""

    def test_a_folder_gets_a_geotiff_per_scene_and_a_pattern_what_it_says(
        self, tmp_path: Path
    ) -> None:
        patterns = OutputPatterns(
            (str(tmp_path), "png/{name}.png"), confidence="more/", overlay="{name}_view.png"
        )
        outputs = patterns.for_scene("in/a.b.tif")
        assert outputs.maps == (tmp_path / "a.b.tif", Path("png/a.b.png"))
        assert outputs.confidence == Path("more/a.b_confidence.tif")
        assert outputs.overlay == Path("a.b_view.png")

    @pytest.mark.parametrize("name", ["map.jpg", "map.shp", "map.tif.gz"])
    def test_an_unknown_suffix_is_refused_with_the_known_ones(self, name: str) -> None:
        with pytest.raises(UsageError, match="is not written") as refused:
            OutputPatterns((name,))
        assert ".gpkg" in str(refused.value)

    def test_two_scenes_cannot_share_a_file(self) -> None:
        with pytest.raises(UsageError, match="cannot share one output"):
            plan_outputs(["a.tif", "b.tif"], OutputPatterns(("map.tif",)))

    def test_scenes_of_one_name_are_refused_rather_than_lost(self) -> None:
        with pytest.raises(UsageError, match="written twice"):
            plan_outputs(["x/a.tif", "y/a.tif"], OutputPatterns(("maps/",)))

    def test_a_scene_is_never_replaced_by_its_map(self, tmp_path: Path) -> None:
        scene = tmp_path / "a.tif"
        with pytest.raises(UsageError, match="is a scene that is read"):
            plan_outputs([str(scene)], OutputPatterns((str(tmp_path),)))

    @pytest.mark.parametrize(
        ("scene", "name"),
        [
            ("s3://bucket/x/scene.tif", "scene"),
            ("/vsicurl/https://a.org/b.tif?x=1", "b"),
            ('NETCDF:"a.nc":red', "NETCDF_a.nc_red"),
            (".hidden", ".hidden"),
        ],
    )
    def test_names_of_remote_scenes_make_file_names(self, scene: str, name: str) -> None:
        assert scene_name(scene) == name


class TestSources:
    """Which scenes the user means."""

    def test_folders_patterns_and_lists_are_expanded_once_and_in_order(
        self, tmp_path: Path
    ) -> None:
        for name in ("b.tif", "a.TIF", "c.png", "notes.md"):
            (tmp_path / name).touch()
        listed = tmp_path / "list.txt"
        listed.write_text("# scenes\nc.png\n\ns3://bucket/far.tif\n")
        found = find_scenes([str(tmp_path / "b*"), str(tmp_path), str(listed)])
        names = [item.removeprefix(f"{tmp_path}/") for item in found]
        assert names == ["b.tif", "a.TIF", "c.png", "s3://bucket/far.tif"]

    def test_remote_names_pass_untouched(self) -> None:
        names = ["s3://bucket/a[1].tif", "/vsicurl/https://a.org/*.tif", 'NETCDF:"a.nc":b']
        assert find_scenes(names) == names

    def test_nothing_found_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "empty.txt").write_text("\n# nothing\n")
        for argument in (tmp_path / "*.tif", tmp_path / "empty.txt", tmp_path / "missing.txt"):
            with pytest.raises(DataError):
                find_scenes([str(argument)])
        (tmp_path / "folder").mkdir()
        with pytest.raises(DataError, match="holds no raster"):
            find_scenes([str(tmp_path / "folder")])


class TestPartFile:
    """The rows that are finished, while the map is not."""

    @staticmethod
    def _rows(row: int, height: int) -> MapRows:
        classes = np.full((height, 5), row, np.uint8)
        return MapRows(row, classes, classes, np.stack([classes, classes + 1]))

    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Path]:
        return tmp_path / "map.tif"

    def test_rows_survive_and_go_on(self, target: Path) -> None:
        with open_part(target, {"a": 1}, 6, 5, 2, True) as part:
            part.append(self._rows(0, 4))
        with open_part(target, {"a": 1}, 6, 5, 2, True) as part:
            assert part.rows == 4
            part.append(self._rows(4, 2))
            assert part.classes().read(0, 6)[0, :, 0].tolist() == [0, 0, 0, 0, 4, 4]
            assert part.probabilities().read(3, 6)[:, 2, 2].tolist() == [4, 5]
            assert part.confidence().read(1, 3).shape == (1, 2, 5)
            part.discard()
        assert not part_folder(target).exists()

    def test_other_settings_begin_anew(self, target: Path) -> None:
        with open_part(target, {"a": 1}, 6, 5, 0, False) as part:
            part.append(self._rows(0, 4))
        with open_part(target, {"a": 2}, 6, 5, 0, False) as part:
            assert part.rows == 0

    def test_bytes_that_were_written_but_not_counted_are_dropped(self, target: Path) -> None:
        with open_part(target, {}, 6, 5, 0, False) as part:
            part.append(self._rows(0, 2))
        with (part_folder(target) / "classes.raw").open("ab") as file:
            file.write(b"half a ro")
        with open_part(target, {}, 6, 5, 0, False) as part:
            part.append(self._rows(2, 4))
            assert part.classes().read(0, 6)[0, :, 0].tolist() == [0, 0, 2, 2, 2, 2]

    @pytest.mark.parametrize("damage", ["", "{}", '{"rows": 4', '{"rows": 99, "key": {}}'])
    def test_a_damaged_state_begins_anew(self, target: Path, damage: str) -> None:
        with open_part(target, {}, 6, 5, 0, False) as part:
            part.append(self._rows(0, 2))
        (part_folder(target) / "state.json").write_text(damage)
        with open_part(target, {}, 6, 5, 0, False) as part:
            assert part.rows == 0

    def test_two_processes_cannot_write_one_map(self, target: Path) -> None:
        with (
            open_part(target, {}, 6, 5, 0, False),
            pytest.raises(RunStateError, match="another process"),
            open_part(target, {}, 6, 5, 0, False),
        ):
            pass

    def test_a_full_disk_is_noticed_before_the_work(
        self, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = type("Usage", (), {"free": 10})
        monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
        with (
            pytest.raises(DnasError, match="GB are free"),
            open_part(target, {}, 6, 5, 0, False),
        ):
            pass
