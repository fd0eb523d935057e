"""Maps to files: GeoTIFF, Cloud-Optimized GeoTIFF and palette PNG, streamed and never half-written.

A map is first written to one plain tiled GeoTIFF, the *draft*; the other forms are made from it by
GDAL block by block, so that no whole map is ever held in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from dnas_cli.console import logger
from dnas_cli.errors import DnasError
from dnas_cli.files import atomic_path, not_whole, write_text
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.cog_layout import has_cog_layout
from dnas_cli.scenes.georeference import Georeference, geotiff_holds, set_georeference
from dnas_cli.scenes.map_values import MapValues, index_values
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.reading_back import check_copy, check_raster
from dnas_cli.scenes.rows import ReadRows, Rows

_BLOCK = 512
_TIFF_OPTIONS = {"compress": "DEFLATE", "bigtiff": "IF_SAFER"}


def write_draft(
    target: Path,
    indices: Rows,
    classes: Sequence[LandClass],
    georeference: Georeference,
    tags: dict[str, str],
    values: MapValues | None = None,
) -> None:
    """Write classes as a tiled GeoTIFF with colour table, class names and nodata.

    Args:
        indices: Class per pixel, `IGNORE` where there is none; one band.
        classes: The classes; position is the index.
        georeference: Where the map lies.
        tags: Metadata of the file.
        values: What is written for each class; its index when missing.
    """
    values = values or index_values(len(classes), None)
    written = replace(indices, read=_written(indices.read, values))
    profile = _profile(indices) | {"nodata": values.nodata, "dtype": values.dtype}
    with _writing(target), _created(target, profile) as draft:
        set_georeference(draft, georeference)
        if values.dtype in ("uint8", "uint16"):
            draft.write_colormap(1, _colour_table(classes, values))
        draft.update_tags(CLASS_NAMES=",".join(item.name for item in classes), **tags)
        names = zip(values.of_class, classes, strict=True)
        draft.update_tags(
            1, VALUES=values.kind, **{f"CLASS_{value}": item.name for value, item in names}
        )
        draft.set_band_description(1, "class")
        _fill(draft, written)
    check_raster(target, written)


def write_shares_draft(
    target: Path,
    shares: Rows,
    names: Sequence[str],
    georeference: Georeference,
    tags: dict[str, str],
) -> None:
    """Write probabilities, 0..254 for 0..1 and 255 for no data, as a tiled GeoTIFF.

    The scale of 1/254 is declared in the file, so that tools that honour it show 0..1.
    """
    count = shares.count
    profile = _profile(shares) | {"interleave": "band"}
    with _writing(target), _created(target, profile) as draft:
        set_georeference(draft, georeference)
        draft.update_tags(**tags)
        draft.scales = (1 / 254,) * count
        draft.colorinterp = (ColorInterp.gray,) + (ColorInterp.undefined,) * (count - 1)
        for band, name in enumerate(names, 1):
            draft.set_band_description(band, name)
        _fill(draft, shares)
    check_raster(target, shares)


def write_cog(draft: Path, target: Path, overviews: str) -> None:
    """Make a Cloud-Optimized GeoTIFF from a draft.

    Args:
        draft: A plain GeoTIFF.
        target: The file; replaced atomically.
        overviews: How overviews are resampled: `MODE` for classes, `AVERAGE` for probabilities.
    """
    with atomic_path(target) as temporary, _writing(target):
        _copy(
            draft,
            temporary,
            driver="COG",
            compress="DEFLATE",
            blocksize=_BLOCK,
            overview_resampling=overviews,
            bigtiff="IF_SAFER",
        )
        check_copy(target, temporary, draft)
        if not has_cog_layout(temporary):
            raise not_whole(target)


def write_sidecar(
    target: Path,
    classes: Sequence[LandClass],
    values: MapValues,
    georeference: Georeference | None = None,
) -> None:
    """Write what QGIS, ArcGIS and GDAL read beside a map, `NAME.aux.xml`: above all class names.

    Args:
        classes: The classes; position is the index. None for a raster of shares.
        values: What is written for each class.
        georeference: Of a map whose own format cannot hold its CRS; see `write_world_file`.
    """
    root = ElementTree.Element("PAMDataset")
    if georeference is not None and georeference.has_map_coordinates:
        ElementTree.SubElement(root, "SRS").text = georeference.crs_wkt
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    named = dict(zip(values.of_class, classes, strict=True))
    if named and min(named) >= 0 and max(named) <= IGNORE:  # a category for every value from 0 on
        names = ElementTree.SubElement(band, "CategoryNames")
        for value in range(max(named) + 1):
            name = named[value].name if value in named else ""
            ElementTree.SubElement(names, "Category").text = name
    if named:
        band.append(_attribute_table(named))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(target.with_name(target.name + ".aux.xml"), text + "\n")


def beside_geotiff(target: Path, scene: str, georeference: Georeference) -> Georeference | None:
    """Return what has to be beside a GeoTIFF because it cannot hold the CRS, and warn of it."""
    if georeference.crs_wkt is None or geotiff_holds(georeference.crs_wkt):
        return None
    logger.warning(
        "%s: a GeoTIFF cannot hold the coordinate reference system of %s; it is in %s.aux.xml "
        "beside it",
        target,
        scene,
        target.name,
    )
    return georeference


def write_png(draft: Path, target: Path) -> None:
    """Make a palette PNG from a draft: the values are the class indices, no data is transparent."""
    # With PAM, GDAL would leave an .aux.xml beside the temporary file.
    without_sidecar = rasterio.Env(GDAL_PAM_ENABLED="NO")
    with atomic_path(target) as temporary, _writing(target), without_sidecar:
        _copy(draft, temporary, driver="PNG", zlevel=6, write_metadata_as_text="YES")
        check_copy(target, temporary, draft)


def write_world_file(picture: Path, georeference: Georeference) -> None:
    """Write the world file (`.pgw`) of a PNG; without a transform, let none of another map stay."""
    world = picture.with_suffix(".pgw")
    if georeference.transform is None:
        world.unlink(missing_ok=True)
        return
    a, b, c, d, e, f = georeference.transform
    # A world file gives the centre of the first pixel.
    lines = (a, d, b, e, c + a / 2 + b / 2, f + d / 2 + e / 2)
    write_text(world, "".join(f"{value:.17g}\n" for value in lines))


def _profile(rows: Rows) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "height": rows.height,
        "width": rows.width,
        "count": rows.count,
        "dtype": "uint8",
        "nodata": IGNORE,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "zlevel": 1,  # a draft is read once
        **_TIFF_OPTIONS,
    }


@contextmanager
def _created(target: Path, profile: dict[str, Any]) -> Iterator[Any]:
    target.unlink(missing_ok=True)  # GDAL reads an existing one first, and may fail
    with without_georeference(), rasterio.open(target, "w", **profile) as raster:
        yield raster


def _written(read: ReadRows, values: MapValues) -> ReadRows:
    return lambda start, stop: values.written(read(start, stop))


def _colour_table(
    classes: Sequence[LandClass], values: MapValues
) -> dict[int, tuple[int, int, int, int]]:
    colours = zip(values.of_class, classes, strict=True)
    return {value: (*item.colour, 255) for value, item in colours} | {values.nodata: (0, 0, 0, 0)}


def _attribute_table(classes: Mapping[int, LandClass]) -> ElementTree.Element:
    """Return GDAL's raster attribute table: value, class name, red, green, blue."""
    table = ElementTree.Element("GDALRasterAttributeTable", tableType="thematic")
    # Types: 0 integer, 2 string. Usages: 5 value, 2 name, 6 to 8 red, green, blue.
    fields = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
    for index, (name, kind, usage) in enumerate(fields):
        field = ElementTree.SubElement(table, "FieldDefn", index=str(index))
        ElementTree.SubElement(field, "Name").text = name
        ElementTree.SubElement(field, "Type").text = str(kind)
        ElementTree.SubElement(field, "Usage").text = str(usage)
    for index, (number, item) in enumerate(classes.items()):
        row = ElementTree.SubElement(table, "Row", index=str(index))
        for value in (number, item.name, *item.colour):
            ElementTree.SubElement(row, "F").text = str(value)
    return table


def _fill(raster: Any, rows: Rows) -> None:
    for start in range(0, rows.height, _BLOCK):
        stop = min(start + _BLOCK, rows.height)
        raster.write(rows.read(start, stop), window=((start, stop), (0, rows.width)))


def _copy(source: Path, target: Path, **options: Any) -> None:
    with without_georeference():
        rasterio.shutil.copy(str(source), str(target), **options)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:  # copying raises GDAL's errors as they are
        reason = str(error.__cause__ or error).rstrip(".")
        raise DnasError(
            f"{target}: cannot be written ({reason}).", "Free the space or choose another place."
        ) from error
