"""Names are text: to a terminal, a log, a spreadsheet, a picture, a database."""

import csv
import html
import io
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from markdown_it import MarkdownIt
from matplotlib import get_data_path
from matplotlib.figure import Figure
from PIL import Image

from dnas_cli.console import configure, logger, progress
from dnas_cli.errors import DataError
from dnas_cli.files import write_csv
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.report.confusion import confusion_picture, write_confusion_csv, write_confusion_png
from dnas_cli.report.pictures import contact_sheet
from dnas_cli.scenes.fonts import _wide_fonts, font_for
from dnas_cli.scenes.map_values import index_values
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.overlay import with_legend
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.qgis_style import write_raster_style
from dnas_cli.scenes.writers import write_sidecar
from dnas_cli.shown_text import cell, shown
from dnas_cli.standard_streams import print_paths
from tests.support.command_line import dnas
from tests.support.small_models import write_model
from tests.support.small_scenes import write_raster

STEERING = "a\x1b[31m\nerror: b\r\u202e.tif"


def _matrix(classes: int) -> ConfusionMatrix:
    matrix = ConfusionMatrix(classes)
    matrix.counts += np.random.default_rng(0).integers(0, 99, matrix.counts.shape)
    return matrix


def _classes(*names: str) -> tuple[LandClass, ...]:
    return tuple(LandClass(name, (index, 0, 0)) for index, name in enumerate(names))


def test_a_file_name_steers_no_terminal_and_begins_no_line(tmp_path: Path) -> None:
    model, folder = write_model(tmp_path / "model.pt"), tmp_path / "scenes"
    folder.mkdir()
    (folder / STEERING).write_bytes(b"no raster")
    result = dnas("predict", model, folder, "--out", tmp_path / "maps", code=None)
    assert result.exit_code == 1
    for text in (result.stderr, str(DataError(f"{STEERING}: x.", "Mend it.", [STEERING]))):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not any(line.startswith("error: b") for line in text.splitlines())


def _is_text(output: str) -> bool:
    lines = output.splitlines()
    return all(line.isprintable() for line in lines) and not any(
        line.strip().startswith("error: b") for line in lines
    )


def test_what_commands_print_is_text_whatever_files_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # lines of a table break elsewhere in long paths
    model, folder = write_model(Path("model.pt"), tile_size=32), Path("scenes")
    values = np.random.default_rng(0).integers(0, 255, (3, 40, 40)).astype(np.uint8)
    for name in ("a.tif", STEERING):
        write_raster(folder / name, values)
    odd = Path(shutil.copy(folder / "a.tif", "odd.tif"))
    with without_georeference(), rasterio.open(odd, "r+") as raster:
        raster.set_band_description(2, "a\u202e\n" + STEERING)
    point = {"type": "Feature", "properties": {STEERING: 1},
             "geometry": {"type": "Point", "coordinates": [0, 0]}}  # fmt: skip
    (folder / "p.geojson").write_text(json.dumps(point))
    outputs = [
        dnas("predict", model, folder, "--out", "maps"),
        dnas("predict", model, folder / STEERING, "--out", "map.tif"),
        dnas("info", folder / STEERING),
        dnas("info", folder / "p.geojson"),
        dnas("info", odd),
        dnas("suggest", model, folder, "--out", "todo.csv"),
    ]
    for result in outputs:
        assert _is_text(result.stdout), result.stdout
    assert all(r"a\x1b[31m" in result.stdout for result in outputs[1:4])
    assert r"a\u202e\n" in outputs[4].stdout
    exact = json.loads(dnas("info", odd, "--json").stdout)
    assert exact["bands"][1]["name"].startswith("a\u202e\n")


def test_a_path_is_exact_for_programs_and_text_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_paths(STEERING)
    assert capsys.readouterr().out == f"{STEERING}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_paths(STEERING)
    assert _is_text(capsys.readouterr().out)


def test_a_bar_shows_a_name_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    configure()
    monkeypatch.setenv("TERM", "xterm")
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", terminal := Terminal())
        with progress("map a\x1b]0;title\x07\nerror: b", 1) as advance:
            advance(1)
    written = terminal.getvalue()
    assert r"map a\x1b]0;title\x07\nerror: b" in written
    assert "\x1b]0;title" not in written


def test_one_door_prints_text() -> None:
    package = Path(__file__).resolve().parents[2] / "dnas_cli"
    found = {
        line.strip()
        for path in package.rglob("*.py")
        if path.name not in ("standard_streams.py", "console.py")
        for line in path.read_text().splitlines()
        if re.match(r" *(typer\.(secho|echo)|print|sys\.stdout\.write)\(", line)
    }
    assert {line for line in found if "print(json.dumps(" not in line} == {
        'print(f"dnas {__version__}")'
    }


def test_a_name_in_the_log_is_one_line_of_text(caplog: pytest.LogCaptureFixture) -> None:
    dnas("--version")  # which sets the log up
    lines = list[str]()

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Lines()
    logger.addHandler(handler)
    try:
        dnas("status", "no-run", code=4)
        logger.info("%s: and %s", STEERING, Path(STEERING))
    finally:
        logger.removeHandler(handler)
    assert all(line.isprintable() for line in lines)
    assert shown(STEERING) in lines[-1]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "  =1", "=cmd|' /C calc'!A0"])
def test_no_cell_of_a_table_begins_a_formula(tmp_path: Path, name: str) -> None:
    write_confusion_csv(tmp_path / "x.csv", _matrix(2), _classes(name, "b"))
    with (tmp_path / "x.csv").open(newline="") as file:
        cells = [text for row in csv.reader(file) for text in row]
    assert cell(name) in cells
    assert not any(text.lstrip()[:1] in "=+-@" for text in cells if text)


def test_all_tables_are_written_by_one_function_which_leaves_numbers_as_they_are(
    tmp_path: Path,
) -> None:
    write_csv(tmp_path / "x.csv", [["=1", "-x", "-1.5", "-2e-05", "-1+1"], [-3, -0.5, None, ""]])
    assert (tmp_path / "x.csv").read_text() == "'=1,'-x,-1.5,-2e-05,'-1+1\n-3,-0.5,,\n"
    package = Path(__file__).resolve().parents[2] / "dnas_cli"
    ways = re.compile(r"\b(writer|DictWriter|to_csv|savetxt)\(")
    writers = {path.name for path in package.rglob("*.py") if ways.search(path.read_text())}
    assert writers == {"files.py"}


@pytest.mark.parametrize(
    "name", [r"$\foo$", "$", "a_b^c", r"\frac", "水田", "غابة", "🌲", "x" * 400]
)
def test_any_class_name_is_drawn_or_numbered(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.png"
    write_confusion_png(path, _matrix(2), _classes(name, "water"), f"title {name}")
    with Image.open(path) as picture:
        assert max(picture.size) < 2000


HOSTILE = (
    r"$\foo$", "<script>alert(1)</script>", "a|b", "[x](javascript:1)", "=1+1", "`ls`", "水田",
    "</td>&amp;",
)  # fmt: skip


def test_a_model_card_shows_names_as_they_are(tmp_path: Path) -> None:
    classes = "classes: " + json.dumps({name: [n, 0, 0] for n, name in enumerate(HOSTILE)})
    model = write_model(tmp_path / "model.pt", classes=classes)
    card, item = tmp_path / "card.md", tmp_path / "item.json"
    dnas("export", model, "--card", card, "--stac", item)
    text = card.read_text()
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert html.escape(", ".join(HOSTILE), quote=False) in page
    assert "<script" not in page
    assert 'javascript:1"' not in page
    content = item.read_text()
    assert all(json.dumps(name, ensure_ascii=False)[1:-1] in content for name in HOSTILE)


def test_a_style_and_a_sidecar_show_names_as_they_are(tmp_path: Path) -> None:
    classes, values = _classes(*HOSTILE), index_values(len(HOSTILE), None)
    write_raster_style(tmp_path / "map.tif", classes, values)
    write_sidecar(tmp_path / "map.tif", classes, values)
    style = ElementTree.parse(tmp_path / "map.qml")
    labels = [entry.get("label") for entry in style.iter("paletteEntry")]
    names = [
        entry.text for entry in ElementTree.parse(tmp_path / "map.tif.aux.xml").iter("Category")
    ]
    assert labels[: len(HOSTILE)] == names == list(HOSTILE)


def test_a_contact_sheet_names_tiles_of_any_script() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    sheet = contact_sheet([(name, picture) for name in HOSTILE], _classes(*HOSTILE), 4, 64)
    assert sheet.height > 2 * 64


def test_a_name_that_no_font_here_draws_is_the_number_of_its_class() -> None:
    _, names = font_for(["water", "\u0378"])  # a character that is none
    assert names == ["water", "class 1"]


@pytest.mark.parametrize("count", [41, 250])
def test_a_confusion_matrix_is_a_picture_of_bounded_size_whatever_the_classes(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = list[tuple[Figure, int]]()
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *_, dpi, **__: drawn.append((figure, dpi))
    )
    classes = _classes(*(f"class number {k}" for k in range(count)))
    write_confusion_png(tmp_path / "x.png", _matrix(count), classes, "many")
    ((figure, dpi),) = drawn
    width, height = dpi * figure.get_size_inches()
    assert width * height < 12e6  # it was minutes, and gigabytes
    assert len(figure.findobj()) < 1500  # ticks, and no text in any cell


@pytest.fixture
def wide_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A font for two Chinese characters, which look like two that other fonts have."""
    from fontTools.ttLib import TTFont

    font = TTFont(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf")
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap |= {ord("水"): table.cmap[ord("Ж")], ord("田"): table.cmap[ord("Ω")]}
    font.save(tmp_path / "NotoSansCJK.ttf")
    monkeypatch.setattr("dnas_cli.scenes.fonts._FOLDERS", (str(tmp_path),))
    _wide_fonts.cache_clear()
    yield
    _wide_fonts.cache_clear()


@pytest.mark.usefixtures("wide_font")
def test_chinese_is_drawn_where_there_is_a_font_for_it() -> None:
    picture, sheets = Image.new("RGBA", (40, 10)), np.zeros((8, 8, 3), np.uint8)

    def matrix(name: str) -> npt.NDArray[np.uint8]:
        return confusion_picture(_matrix(2), _classes(name, "b"), "title")

    def legend(name: str) -> npt.NDArray[np.uint8]:
        return np.asarray(with_legend(picture, _classes(name, "b")))

    def tiles(name: str) -> npt.NDArray[np.uint8]:
        return np.asarray(contact_sheet([(name, sheets), ("b", sheets)], _classes("b"), 2, 64))

    for draw in (matrix, legend, tiles):
        assert np.array_equal(draw("水田"), draw("ЖΩ"))
        assert not np.array_equal(draw("水田"), draw("水水"))


def test_a_character_without_glyph_is_no_box() -> None:
    picture = Image.new("RGBA", (40, 10))
    by_name, by_number = (
        np.asarray(with_legend(picture, _classes(name, "b"))) for name in ("\u0378", "class 0")
    )
    assert np.array_equal(by_name, by_number)


@pytest.mark.parametrize("stem", ["gpkg_x", "(x", "a;b", "a!b", "sqlite_x", "a?b#c", "-x", "水"])
def test_any_file_name_serves_for_polygons(tmp_path: Path, stem: str) -> None:
    import pyogrio

    model = write_model(tmp_path / "model.pt", tile_size=32)
    write_raster(
        tmp_path / "a.tif", np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8)
    )
    out = tmp_path / f"{stem}.gpkg"
    dnas("predict", model, tmp_path / "a.tif", "--out", out)
    assert out.is_file()
    (tmp_path / "plain.gpkg").write_bytes(out.read_bytes())
    assert [
        pyogrio.read_info(tmp_path / "plain.gpkg", layer=name)["features"] > 0
        for name, kind in pyogrio.list_layers(tmp_path / "plain.gpkg")
        if kind
    ] == [True]
    assert {path.name for path in tmp_path.iterdir()} <= {
        "model.pt", "a.tif", out.name, "plain.gpkg",
    }  # fmt: skip
