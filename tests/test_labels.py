"""Label rasters to class indices."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from PIL import Image

from dnas_cli.errors import DataError
from dnas_cli.scenes.label_encoding import LabelEncoding, tile_encoding
from dnas_cli.scenes.labels import open_label
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Window, open_raster
from tests.support.command_line import dnas

EXAMPLE = Path(__file__).parents[1] / "examples" / "dubai.yaml"
RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)
CLASSES = (LandClass("built-up", RED), LandClass("farmland", GREEN))
COLOURS = LabelEncoding("colour", CLASSES, ignored_colours=(BLACK,))
WHOLE = Window(0, 0, 2, 3)
PICTURE = np.array(
    [[RED, GREEN, BLACK], [(254, 0, 0), GREEN, RED]],
    np.uint8,
)
INDICES = [[0, 1, 255], [255, 1, 0]]


def read(
    path: Path, encoding: LabelEncoding = COLOURS, window: Window = WHOLE
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    with open_label(path, encoding) as label:
        return label.read(window)


def write_bands(path: Path, bands: npt.NDArray[Any], **profile: Any) -> None:
    count, height, width = bands.shape
    profile = {
        "driver": "GTiff",
        "dtype": bands.dtype.name,
        "transform": rasterio.Affine(2, 0, 0, 0, -2, 0),
    } | profile
    with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as file:
        file.write(bands)


def write_notes(path: Path, of_band: str) -> None:
    """Write the file of notes beside a raster of one band, as GDAL and QGIS do."""
    text = f'<PAMDataset><PAMRasterBand band="1">{of_band}</PAMRasterBand></PAMDataset>'
    path.with_name(f"{path.name}.aux.xml").write_text(text)


def test_colours_are_matched_exactly_and_near_ones_are_unknown(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "label.png")
    indices, unknown = read(tmp_path / "label.png")
    assert indices.tolist() == INDICES
    assert unknown.tolist() == [[False, False, False], [True, False, False]]


def test_a_tiff_a_png_with_alpha_and_a_window_read_the_same(tmp_path: Path) -> None:
    write_bands(tmp_path / "label.tif", PICTURE.transpose(2, 0, 1))
    assert read(tmp_path / "label.tif")[0].tolist() == INDICES
    rgba = np.dstack([PICTURE, np.full((2, 3), 7, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "label.png")
    assert read(tmp_path / "label.png")[0].tolist() == INDICES
    assert read(tmp_path / "label.png", window=Window(1, 1, 1, 2))[0].tolist() == [[1, 0]]


def test_palette_images_go_through_their_colours_whatever_the_index(tmp_path: Path) -> None:
    for order in ([RED, GREEN, BLACK], [GREEN, BLACK, RED]):
        picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
        picture.putpalette([channel for colour in order for channel in colour])
        picture.save(tmp_path / "label.png")
        expected = [{RED: 0, GREEN: 1, BLACK: 255}[colour] for colour in order]
        indices, unknown = read(tmp_path / "label.png", window=Window(0, 0, 1, 3))
        assert indices.tolist() == [expected]
        assert not unknown.any()


def test_a_grey_image_is_read_as_grey_colours(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255, 7]], np.uint8)).save(tmp_path / "label.png")
    mask = LabelEncoding("colour", (LandClass("water", (255, 255, 255)),), ignored_colours=(BLACK,))
    indices, unknown = read(tmp_path / "label.png", mask, Window(0, 0, 1, 3))
    assert indices.tolist() == [[255, 0, 255]]
    assert unknown.tolist() == [[False, False, True]]


@pytest.mark.parametrize("table", ["", "<ColorTable/>"])
def test_a_band_that_is_called_a_palette_and_has_no_colours_holds_its_values(
    tmp_path: Path, table: str
) -> None:
    path, values = tmp_path / "label.tif", np.array([[[0, 1, 7]]], np.uint8)
    write_bands(path, values)
    write_notes(path, f"<ColorInterp>Palette</ColorInterp>{table}")
    window = Window(0, 0, 1, 3)
    indices, unknown = read(path, LabelEncoding("index", CLASSES, values=(0, 1)), window)
    assert indices.tolist() == [[0, 1, 255]]
    assert unknown.tolist() == [[False, False, True]]
    with open_raster(path) as scene:
        assert scene.read(window).tolist() == values.tolist()
    assert "7" in dnas("info", path).stdout
    changed = dnas("change", path, path, "--out", tmp_path / "change.tif", code=4)
    assert "names no classes" in changed.stderr


def test_colours_that_no_screen_shows_are_the_nearest_that_it_does(tmp_path: Path) -> None:
    path = tmp_path / "label.tif"
    write_bands(path, np.array([[[0, 1]]], np.uint8))
    entries = '<Entry c1="300" c2="-3" c3="0" c4="999"/><Entry c1="0" c2="255" c3="0" c4="255"/>'
    table = f"<ColorTable>{entries}</ColorTable>"
    write_notes(path, f"<ColorInterp>Palette</ColorInterp>{table}")
    assert read(path, window=Window(0, 0, 1, 2))[0].tolist() == [[0, 1]]


@pytest.mark.parametrize("nodata", ["-3", "0.5", "256", "nan", "1e30"])
def test_a_nodata_value_that_a_label_cannot_hold_excludes_no_pixel(
    tmp_path: Path, nodata: str
) -> None:
    path = tmp_path / "label.tif"
    write_bands(path, np.array([[[0, 1, 0]]], np.uint8))
    write_notes(path, f"<NoDataValue>{nodata}</NoDataValue>")
    with open_label(path, LabelEncoding("index", CLASSES, values=(0, 1))) as label:
        assert label.read(Window(0, 0, 1, 3))[0].tolist() == [[0, 1, 0]]
        assert label.notes == ()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_index_labels_start_where_the_description_says(tmp_path: Path, dtype: str) -> None:
    write_bands(tmp_path / "label.tif", np.array([[[0, 1, 2, 9]]], dtype))
    encoding = LabelEncoding("index", CLASSES, values=(1, 2), ignored_values=(0,))
    indices, unknown = read(tmp_path / "label.tif", encoding, Window(0, 0, 1, 4))
    assert indices.tolist() == [[255, 0, 1, 255]]
    assert unknown.tolist() == [[False, False, False, True]]


def test_nodata_of_an_index_label_is_not_unknown(tmp_path: Path) -> None:
    write_bands(tmp_path / "label.tif", np.array([[[-1, 1, 5]]], np.int16), nodata=-1)
    encoding = LabelEncoding("index", CLASSES, values=(0, 1))
    _, unknown = read(tmp_path / "label.tif", encoding, Window(0, 0, 1, 3))
    assert unknown.tolist() == [[False, False, True]]


def test_the_most_frequent_unknown_colours_are_named(tmp_path: Path) -> None:
    picture = np.full((700, 4, 3), 9, np.uint8)
    picture[0] = (1, 2, 3)
    picture[1] = RED
    Image.fromarray(picture).save(tmp_path / "label.png")
    with open_label(tmp_path / "label.png", COLOURS) as label:
        assert label.most_unknown() == [("(9, 9, 9)", 698 * 4), ("(1, 2, 3)", 4)]


@pytest.mark.parametrize(
    ("bands", "encoding", "message"),
    [
        (np.zeros((3, 2, 2), np.uint16), COLOURS, "8-bit"),
        (np.zeros((5, 2, 2), np.uint8), COLOURS, "5 bands"),
        (np.zeros((3, 2, 2), np.uint8), tile_encoding(CLASSES), "one band"),
        (np.zeros((1, 2, 2), np.complex64), tile_encoding(CLASSES), "one band"),
    ],
)
def test_a_label_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, bands: npt.NDArray[Any], encoding: LabelEncoding, message: str
) -> None:
    write_bands(tmp_path / "odd.tif", bands)
    with pytest.raises(DataError, match=rf"odd\.tif.*{message}"):
        open_label(tmp_path / "odd.tif", encoding)


def test_a_label_that_is_a_text_or_missing_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "label.png").write_text("not a picture")
    for name in ("label.png", "missing.png"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            open_label(tmp_path / name, COLOURS)


def test_a_truncated_label_is_refused_by_name(tmp_path: Path) -> None:
    write_bands(tmp_path / "label.tif", np.zeros((3, 500, 500), np.uint8))
    content = (tmp_path / "label.tif").read_bytes()
    (tmp_path / "label.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"label\.tif.*row 0"):
        read(tmp_path / "label.tif", window=Window(0, 0, 500, 500))


def test_encodings_survive_their_plain_data() -> None:
    index = LabelEncoding("index", CLASSES, values=(3, 9), ignored_values=(0, 255))
    for encoding in (COLOURS, index):
        assert LabelEncoding.from_json(encoding.to_json(), CLASSES) == encoding


def test_the_palettes_of_real_masks_differ_and_still_give_the_same_classes(real_data: Path) -> None:
    """Tile 2 has palette images; all of the mask is known once through RGB."""
    from dnas_cli.datasets.description import load_description

    encoding = load_description(str(EXAMPLE)).encoding
    for part in range(1, 10):
        path = real_data / f"dubai_mbrsc/Tile 2/masks/image_part_{part:03d}.png"
        with open_label(path, encoding) as label:
            indices, unknown = label.read(Window(0, 0, label.height, label.width))
        rgb = np.asarray(Image.open(path).convert("RGB"))
        assert not unknown.any()
        for index, land_class in enumerate(encoding.classes):
            same = (rgb == land_class.colour).all(axis=-1)
            assert ((indices == index) == same).all()
