"""Layers of features that refer to other files or into the network, and odd names of theirs."""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely
from affine import Affine

from dnas_cli.errors import DataError
from dnas_cli.scenes.clip import read_outlines
from dnas_cli.scenes.external import external_allowed
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.map_metadata import MODEL, map_tags
from dnas_cli.scenes.raster import Window
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.scenes.vector_facts import vector_facts
from dnas_cli.scenes.vector_files import SUFFIXES
from dnas_cli.scenes.vector_labels import VectorLabel
from dnas_cli.scenes.zones import read_zones
from tests.support.command_line import dnas
from tests.support.small_models import write_model
from tests.support.small_scenes import write_raster

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".fgb": "FlatGeobuf",
           ".shp": "ESRI Shapefile"}  # fmt: skip
PLACE = Georeference("EPSG:4326", (0.1, 0, 0, 0, -0.1, 1))
READERS: dict[str, Callable[[Path], object]] = {
    "info": vector_facts,
    "label": lambda path: VectorLabel(path, VectorEncoding(), ("a",), PLACE, 10, 10),
    "clip": lambda path: read_outlines(path, "scene", PLACE),
    "zones": lambda path: read_zones(path, "name", "scene", PLACE),
}


def _layer(path: Path, name: str = "x") -> Path:
    """Write a square with a name and tags."""
    driver = DRIVERS[path.suffix]
    folder = Path(tempfile.mkdtemp(dir=path.parents[1]))
    pyogrio.raw.write(
        folder / f"plain{path.suffix}", shapely.to_wkb(np.array([shapely.box(0, 0, 1, 1)])),
        [np.array([name], np.object_)], np.array(["name"], np.object_),
        geometry_type="Polygon", crs="EPSG:4326", driver=driver, layer="plain",
        layer_metadata={MODEL: "m"} if driver == "GPKG" else None,
    )  # fmt: skip
    for part in folder.iterdir():
        part.rename(path.with_name(path.stem + part.suffix))
    return path


def _ogr(source: object) -> str:
    return (
        f"<OGRVRTDataSource><OGRVRTLayer name='plain'><SrcDataSource>{source}</SrcDataSource>"
        "</OGRVRTLayer></OGRVRTDataSource>"
    )


def _pipeline(source: object) -> str:
    line = f"gdal vector pipeline ! read {source} ! write --of stream s"
    return json.dumps({"type": "gdal_streamed_alg", "command_line": line})


DOCUMENTS: dict[str, Callable[[object], str]] = {
    "VRT": _ogr,
    "VRT after a brace": lambda source: "{" + _ogr(source),
    "VRT in JSON": lambda source: f'{{"type": "FeatureCollection", "n": "{_ogr(source)}"}}',
    "VRT after the word of FlatGeobuf": lambda source: "fgb\x03fgb" + _ogr(source),
    "GDALG": _pipeline,
    "WFS": lambda source: f"<OGRWFSDataSource><URL>{source}</URL></OGRWFSDataSource>",
}


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_is_called_a_layer_is_not_followed(
    requests: tuple[str, list[str]], tmp_path: Path, kind: str, suffix: str
) -> None:
    address, seen = requests
    (tmp_path / "private").mkdir()
    secret = _layer(tmp_path / "private/secret.gpkg", "secret")
    path = tmp_path / f"area{suffix}"
    for source in (secret, f"/vsicurl/{address}/a.geojson", address):
        path.write_text(DOCUMENTS[kind](source))
        for read in READERS.values():
            with pytest.raises(DataError):
                read(path)
        assert map_tags(path) == {}
    assert seen == []


def _with_crs(crs: str) -> str:
    square = json.dumps(shapely.geometry.mapping(shapely.box(0, 0, 1, 1)))
    return f'{{"type": "Feature", {crs}, "properties": {{"name": "a"}}, "geometry": {square}}}'


@pytest.mark.parametrize(
    "crs",
    [
        '"crs": {"type": "url", "properties": {"url": "ADDRESS"}}',
        '"crs": {"properties": {"href": "ADDRESS"}, "type": "link"}',
        '"CRS":{"type":"URL","properties":{"url":"ADDRESS"}}',
        r'"c\u0072\u0053" : {"type": "url", "properties": {"url": "ADDRESS"}}',
        r'"crs": {"type": "u\u0072l", "properties": {"url": "ADDRESS"}}',
        '"crs"/**/: {"type": "linked", "properties": {"href": "ADDRESS"}}',
        '"crs": /**/{"type": "linked", "properties": {"href": "ADDRESS"}}',
        '"crs": {"a": {"b": {}}, "type": "url", "properties": {"url": "ADDRESS"}}',
    ],
)
def test_a_linked_crs_is_not_asked_for(
    requests: tuple[str, list[str]], tmp_path: Path, crs: str
) -> None:
    address, seen = requests
    path = tmp_path / "area.geojson"
    path.write_text(_with_crs(crs.replace("ADDRESS", f"{address}/crs")))
    for read in READERS.values():
        with pytest.raises(DataError, match="refers to another file for its CRS"):
            read(path)
    assert seen == []
    with external_allowed(True):
        read_outlines(path, "scene", PLACE)
    assert seen


@pytest.mark.parametrize("more", ["", ', "crs": "crs", "links": ["crs", "url"], "u": {"crs": 1}'])
def test_a_crs_that_is_named_is_read(tmp_path: Path, more: str) -> None:
    path = tmp_path / "area.geojson"
    crs = '"crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::32633" } }'
    path.write_text(_with_crs(crs).replace('"name": "a"', f'"name": "a"{more}'))
    assert "32633" in vector_facts(path).layers[0].crs


def test_only_files_of_known_suffixes_are_layers(tmp_path: Path) -> None:
    (tmp_path / "a.kml").write_text("<kml/>")
    with pytest.raises(DataError, match=r"ogr2ogr a\.gpkg a\.kml"):
        read_outlines(tmp_path / "a.kml", "scene", PLACE)


STEMS = ("a!b", "a;b", "a?b#c", "a%41b", "-x", "a:b", 'a"b', "a.zip!b", "$x {y}", "a\nb", "水")


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_layers_of_any_file_name_are_read(tmp_path: Path, suffix: str) -> None:
    for stem in STEMS:
        (tmp_path / stem).mkdir()  # which serves for the folder as well
        path = _layer(tmp_path / stem / f"{stem}{suffix}", "水")
        assert vector_facts(path).layers[0].features == 1
        outlines, attributes = read_outlines(path, "scene", PLACE)
        assert (len(outlines), list(attributes["name"])) == (1, ["水"])
        with VectorLabel(path, VectorEncoding(), ("a",), PLACE, 10, 10) as label:
            assert (label.read(Window(0, 0, 10, 10))[0] == 0).all()
        assert map_tags(path) == ({MODEL: "m"} if suffix == ".gpkg" else {})


def test_a_name_that_is_no_utf_8_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "a\udcff.gpkg"
    path.write_bytes(_layer(tmp_path / "b.gpkg").read_bytes())
    with pytest.raises(DataError, match="cannot be opened as a vector layer"):
        vector_facts(path)


def test_one_door_opens_layers() -> None:
    package = Path(__file__).resolve().parents[2] / "dnas_cli"
    reading = re.compile(r"pyogrio(\.raw)?\.(list_layers|read\w*|open_arrow)\(")
    doors = {path.name for path in package.rglob("*.py") if reading.search(path.read_text())}
    assert doors == {"vector_files.py", "polygons.py"}  # the second copies what it collected


def test_a_scene_on_a_grid_of_its_own_is_one_message_beside_polygons_on_the_earth(
    tmp_path: Path,
) -> None:
    data, model = tmp_path / "data", write_model(tmp_path / "model.pt", ("grey",))
    profile = {"crs": 'LOCAL_CS["site grid",UNIT["metre",1]]', "transform": Affine.scale(10, -10)}
    for name in "abc":
        write_raster(data / f"{name}.tif", np.ones((1, 64, 64), np.uint8), **profile)
    write_raster(tmp_path / "d.tif", np.ones((1, 64, 64), np.uint8), crs="EPSG:32632",
                 transform=Affine.scale(10, -10))  # fmt: skip
    fields = _layer(data / "fields.geojson")
    (data / "dataset.yaml").write_text(
        "images: '{scene}.tif'\nlabels: {path: fields.geojson, class_field: name}\n"
        "classes: [x, y]\n"
    )
    scene, out = data / "a.tif", tmp_path / "out"
    mapped = ("predict", model, scene, "--bands", 1, "--out", out / "map.tif")
    both = ("suggest", model, scene, tmp_path / "d.tif", "--bands", 1, "--tiles", 2)
    for command in (
        (*mapped, "--clip", fields),
        (*mapped, "--zones", fields, "--areas", out / "areas.csv"),
        (*both, "--out", out / "tiles.gpkg"),
        ("tile", data, "--size", 32, "--out", out / "tiles"),
    ):
        assert "no way is known from its coordinate" in dnas(*command, code=4).stderr
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_a_system_that_is_no_text_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = _layer(tmp_path / "in/x.shp")
    projection = path.with_suffix(".prj")
    projection.write_bytes(
        projection.read_bytes().replace(b"Greenwich", "Méridien".encode("latin-1"))
    )
    for name, read in READERS.items():
        with pytest.raises(DataError, match=r"x\.shp: its coordinate reference system"):
            read(path)
        assert name


def test_a_ring_that_is_not_closed_is_one_message(tmp_path: Path) -> None:
    ring = [[15.0, 45.0], [15.1, 45.0], [15.1, 45.1]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    place = Georeference("EPSG:32633", (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0))
    with pytest.warns(RuntimeWarning), pytest.raises(DataError, match="a damaged polygon"):
        read_outlines(path, "scene.tif", place)
