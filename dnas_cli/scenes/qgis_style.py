"""Styles that QGIS takes by itself: a `.qml` beside a raster, `layer_styles` in a GeoPackage."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

from dnas_cli.files import write_text
from dnas_cli.scenes.map_values import MapValues
from dnas_cli.scenes.palette import LandClass

_VERSION = "3.22.0"  # the oldest QGIS whose form of styles this is
_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_TABLE = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
  f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
  styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT,
  owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)
"""


def write_raster_style(raster: Path, classes: Sequence[LandClass], values: MapValues) -> None:
    """Write the `.qml` that QGIS looks for beside a raster: colours and class names."""
    root = ElementTree.Element("qgis", version=_VERSION, styleCategories="AllStyleCategories")
    renderer = ElementTree.SubElement(
        ElementTree.SubElement(root, "pipe"),
        "rasterrenderer",
        type="paletted",
        band="1",
        opacity="1",
        alphaBand="-1",
        nodataColor="",
    )
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, item in zip(values.of_class, classes, strict=True):
        ElementTree.SubElement(
            palette,
            "paletteEntry",
            value=str(value),
            label=item.name,
            color="#{:02x}{:02x}{:02x}".format(*item.colour),
            alpha="255",
        )
    write_text(raster.with_suffix(".qml"), _text(root))


def add_layer_style(geopackage: Path, layer: str, classes: Sequence[LandClass]) -> None:
    """Put a default style into a GeoPackage: a colour per value of the column `class`.

    Args:
        geopackage: A file that nobody else has open.
        layer: Its layer of polygons.
    """
    with closing(sqlite3.connect(geopackage)) as database, database:
        database.execute("PRAGMA journal_mode = MEMORY")  # a file that failed is thrown away
        column = database.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
        ).fetchone()[0]
        database.execute(_TABLE)
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner) "
            "VALUES ('', '', ?, ?, 'classes', ?, '', 1, 'Colours of the classes', '')",
            (layer, column, _polygon_style(classes)),
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles')"
        )


def _polygon_style(classes: Sequence[LandClass]) -> str:
    root = ElementTree.Element("qgis", version=_VERSION, styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr="class", symbollevels="0"
    )
    categories = ElementTree.SubElement(renderer, "categories")
    symbols = ElementTree.SubElement(renderer, "symbols")
    for index, item in enumerate(classes):
        ElementTree.SubElement(
            categories,
            "category",
            value=item.name,
            label=item.name,
            symbol=str(index),
            render="true",
        )
        symbol = ElementTree.SubElement(
            symbols, "symbol", type="fill", name=str(index), alpha="1", clip_to_extent="1"
        )
        fill = ElementTree.SubElement(
            symbol, "layer", {"class": "SimpleFill"}, enabled="1", locked="0"
        )
        options = ElementTree.SubElement(fill, "Option", type="Map")
        red, green, blue = item.colour
        for name, value in (
            ("color", f"{red},{green},{blue},255"),
            ("style", "solid"),
            ("outline_style", "no"),
        ):
            ElementTree.SubElement(options, "Option", type="QString", name=name, value=value)
            ElementTree.SubElement(fill, "prop", k=name, v=value)
    return _text(root)


def _text(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return _HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"
