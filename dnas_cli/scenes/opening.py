"""The one door by which rasters are opened: by the driver that their suffix promises.

GDAL looks at what a file holds, not at its name: a `.tif` may be a document that refers to other
files or to addresses in the network, and GDAL would follow it. Here a local file is opened by the
drivers of its suffix alone. A VRT refers to other files by its nature; it is one by its suffix, and
reaches no file outside its folder. The network is reached by a name that says so (`https://...`,
`/vsicurl/...`), which no file that is found in a folder has.
"""

import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from xml.etree import ElementTree

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio._path import _parse_path, _UnparsedPath
from rasterio.env import ensure_env_with_credentials
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from dnas_cli.errors import DataError
from dnas_cli.file_kinds import FILE, RASTER, kind_of, wrong_kind
from dnas_cli.files import read_text
from dnas_cli.scenes.external import is_external_allowed
from dnas_cli.scenes.hdf5_references import refers_to_files

_DRIVERS = {
    ".tif": ("GTiff",),
    ".tiff": ("GTiff",),
    ".jpg": ("JPEG",),
    ".jpeg": ("JPEG",),
    ".png": ("PNG",),
    ".jp2": ("JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID"),
    ".img": ("HFA", "ENVI"),
    ".bmp": ("BMP",),
    ".webp": ("WEBP",),
    ".ntf": ("NITF",),
    ".zarr": ("Zarr",),
    ".vrt": ("VRT",),
    ".nc": ("netCDF",),
    ".nc4": ("netCDF",),
    ".h5": ("HDF5",),
    ".hdf5": ("HDF5",),
    ".he5": ("HDF5",),
}
# What opens a variable of a file: the word before the name, and the driver.
_VARIABLES = {"netCDF": ("NETCDF", "netCDF"), "HDF5": ("HDF5", "HDF5Image")}
# What follows references to other files or into the network; any other suffix is opened without.
_REFERRING = frozenset(
    ("VRT", "DERIVED", "GTI", "MRF", "STACIT", "STACTA", "KMLSUPEROVERLAY", "HTTP", "WMS", "WCS",
     "WMTS", "DAAS", "EEDA", "EEDAI", "PLMOSAIC", "NGW", "OGCAPI", "TileDB", "GDALG")
)  # fmt: skip
_TYPED = re.compile(r"/vsi\w+/|[A-Za-z][\w+.-]*:")  # s3://bucket/x.tif, NETCDF:"file.nc":band
_COMPANIONS = (".ovr", ".msk")  # TIFFs that GDAL opens beside a raster, whatever they are
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LARGEST_DOCUMENT = 16 << 20  # bytes
_DEEPEST = 8  # VRTs of VRTs
_LONGEST_SIDE = 100_000_000  # pixels; around the Earth they would be half a metre wide
# What a VRT can hold beside windows of rasters: options of drivers, code, and files by other names.
_REFUSED = frozenset(("OOI", "PixelFunctionCode", "X_DATASET", "Y_DATASET", "OVERVIEW_FILE"))


class NotARasterError(DataError):
    """GDAL cannot open an existing file or folder."""


@contextmanager
def without_georeference() -> Iterator[None]:
    """Let rasters without georeference pass without a warning; pictures have none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def opened(path: str | Path, what: str = "a raster") -> AbstractContextManager[Any]:
    """Open a raster as `open_dataset` does, to be closed when the block ends."""
    return closing(open_dataset(path, what))


def open_dataset(path: str | Path, what: str = "a raster") -> Any:
    """Open a raster for reading, as rasterio does.

    Args:
        path: A file, or anything rasterio opens (`/vsicurl/...`, `s3://...`).
        what: What it should be, for messages.

    Raises:
        DataError: It is not there, is no raster of the kind its suffix promises, refers to what
            it may not read, or says it has more pixels than any scene.
    """
    local = not is_address(path)
    if local:
        _refuse_special(path)
        _refuse_references(Path(path))
    try:
        # An own environment sends GDAL's warnings to the log instead of to the terminal.
        with without_georeference(), rasterio.Env():
            if not local:
                return _plausible(path, ensure_env_with_credentials(_open_address)(str(path)))
            # Whatever the name of a file looks like, it is a path and never a connection.
            name = _UnparsedPath(os.path.abspath(path))  # noqa: PTH100 (links stay)
            return _plausible(path, DatasetReader(name, driver=_drivers_of(Path(path))))
    except (RasterioError, CPLE_BaseError, OSError, ValueError) as error:
        raise cannot_open(path, error, what) from error


def files_behind(path: Path, above: tuple[Path, ...] = ()) -> list[Path]:
    """Return the files that a VRT is made of, and those of VRTs among them; none of other files.

    Args:
        above: VRTs that lead to this one.

    Raises:
        DataError: A VRT cannot be read, or leads to itself.
    """
    if path.suffix.lower() != ".vrt" or not path.is_file():
        return []
    if path in above:
        raise NotARasterError(f"{path}: is made of itself.")
    with opened(path) as dataset:
        names = [Path(name) for name in dataset.files]
    # Statistics beside it change when somebody looks at it.
    found = [name for name in names if name.is_file() and not name.name.startswith(path.name)]
    further = [item for name in found for item in files_behind(name, (*above, path))]
    return list(dict.fromkeys([*found, *further]))


def is_container(path: str | Path) -> bool:
    """Whether a local file holds variables instead of bands."""
    return not is_address(path) and _DRIVERS.get(Path(path).suffix.lower(), ("",))[0] in _VARIABLES


def variables_of(path: str | Path) -> list[str]:
    """Return the names of the variables of a NetCDF or HDF5 file that are rasters.

    Raises:
        DataError: It cannot be opened.
    """
    _require_driver(path)
    with opened(path, "a file of variables") as dataset:
        if dataset.subdatasets:
            return [name.rpartition(":")[2].lstrip("/") for name in dataset.subdatasets]
        # A file with a single variable is opened as that one.
        return [dataset.tags(1).get("NETCDF_VARNAME", "")] if dataset.count else []


def open_variable(path: str | Path, variable: str) -> Any:
    """Open a variable of a NetCDF or HDF5 file as a raster.

    Raises:
        DataError: The file cannot be opened or has no such variable.
    """
    known = variables_of(path)
    if variable not in known and known != [""]:
        raise DataError(
            f"{path}: has no variable {variable!r}; it has {', '.join(filter(None, known))}."
        )
    if not variable or known == [variable]:
        return open_dataset(path)
    word, driver = _VARIABLES[_DRIVERS[Path(path).suffix.lower()][0]]
    slashes = "//" if word == "HDF5" else ""
    local = os.path.abspath(path)  # noqa: PTH100 (links stay)
    if '"' in local:
        raise DataError(f"{path}: has a quote in its name, so that its variables have no name.")
    name = f'{word}:"{local}":{slashes}{variable}'
    try:
        with without_georeference(), rasterio.Env():
            return _plausible(path, DatasetReader(_UnparsedPath(name), driver=[driver]))
    except (RasterioError, CPLE_BaseError, OSError, ValueError) as error:
        raise cannot_open(f"{path}:{variable}", error) from error


def _require_driver(path: str | Path) -> None:
    wanted = _DRIVERS[Path(path).suffix.lower()]
    if not set(wanted) & set(_registered()):
        raise DataError(
            f"{path}: this GDAL reads no {wanted[0]} files.",
            "Install a rasterio whose GDAL has the driver, or convert the file to GeoTIFF.",
        )


def is_address(path: str | Path) -> bool:
    """Whether a name is one that only GDAL understands, and no local file."""
    return bool(_TYPED.match(str(path))) and not os.path.lexists(path)


def cannot_open(path: str | Path, error: Exception, what: str = "a raster") -> DataError:
    """Return the error of a raster that cannot be opened."""
    reason = str(error).removeprefix(f"'{Path(path).absolute()}' ").removeprefix(f"'{path}' ")
    reason = reason.rstrip(".")
    if "://" in str(path) or str(path).startswith("/vsi"):
        return DataError(
            f"{path}: cannot be opened as {what} ({reason}).",
            "Check the address, the network and the credentials.",
        )
    local = Path(path)
    if not os.path.exists(local) and ":" not in str(path):  # noqa: PTH110 (any name)
        return DataError(f"{path}: no such file.")
    if kind_of(local) not in (FILE, RASTER):
        wrong = wrong_kind(local, RASTER)
        return NotARasterError(wrong.what, wrong.remedy)
    return NotARasterError(
        f"{path}: cannot be opened as {what} ({reason}).",
        "Check that the file is whole (`rio info FILE` or `gdalinfo FILE`) and that its suffix "
        "says what it is.",
    )


def _plausible(path: str | Path, dataset: Any) -> Any:
    """Return an open dataset; of one of absurd size, GDAL takes seconds to read a row."""
    width, height = dataset.width, dataset.height
    if max(width, height) > _LONGEST_SIDE:
        dataset.close()
        raise DataError(f"{path}: says it has {width} x {height} pixels, which no scene has.")
    return dataset


def _drivers_of(path: Path) -> list[str]:
    promised = _DRIVERS.get(path.suffix.lower())
    if promised is None:
        return [driver for driver in _registered() if driver not in _REFERRING]
    return [driver for driver in promised if driver in _registered()]


def _open_address(address: str) -> Any:
    """Open what only GDAL understands; a document there is followed only if its name says so."""
    suffix = Path(urlparse(address).path).suffix.lower()
    if suffix == ".vrt" or suffix not in _DRIVERS:
        return rasterio.open(address)
    drivers = [driver for driver in _registered() if driver not in _REFERRING]
    return DatasetReader(_parse_path(address), driver=drivers)


@cache
def _registered() -> tuple[str, ...]:
    with rasterio.Env() as environment:
        return tuple(environment.drivers())


def _refuse_special(path: str | Path) -> None:
    """Refuse pipes, which would be waited for, and devices, which never end."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return  # not there: opening it says more
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: is not a regular file.")


def _refuse_references(path: Path) -> None:
    """Refuse what GDAL would follow out of a raster's folder."""
    if not path.name:
        return
    for suffix in _COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if _is_file(companion) and _start(companion, 4) not in _TIFF:
            raise DataError(f"{companion}: is not a TIFF, as a file of this name must be.")
    notes = path.with_name(path.name + ".aux.xml")
    if _is_file(notes) and b"OVERVIEW_FILE" in _start(notes, _LARGEST_DOCUMENT):
        raise DataError(f"{notes}: refers to another file for overviews.", "Remove it.")
    if not _is_file(path) or is_external_allowed():
        return
    if path.suffix.lower() == ".vrt":
        _check_vrt(path, path.absolute().parent, 0)
    elif is_container(path) and refers_to_files(path):
        raise _outside(path, "refers to other files, as HDF5 can")


def _check_vrt(path: Path, folder: Path, depth: int) -> None:
    """Check that a VRT and those it is made of refer to rasters below a folder, and run nothing."""
    try:
        root = ElementTree.fromstring(read_text(path, _LARGEST_DOCUMENT))
    except (ElementTree.ParseError, ValueError) as error:
        raise NotARasterError(f"{path}: is not a VRT ({error}).") from error
    sources = set()  # a mosaic names each once per band
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        # Warped, derived and raw ones; a mosaic or a choice of bands is none of them.
        if {"subClass", "subclass"} & set(element.attrib) or _REFUSED & {tag, element.get("key")}:
            raise _outside(path, "does more than arrange rasters")
        if tag == "SourceFilename":
            relative = element.attrib.get("relativeToVRT", element.attrib.get("relativetoVRT", "0"))
            sources.add(((element.text or "").strip(), relative == "1"))
    for name, relative_to_vrt in sorted(sources):
        _check_source(path, folder, name, relative_to_vrt, depth)


def _check_source(path: Path, folder: Path, name: str, relative: bool, depth: int) -> None:
    source = path.absolute().parent / name if relative else Path(name)
    if not name or is_address(name) or not source.resolve().is_relative_to(folder.resolve()):
        raise _outside(path, f"refers to {name!r}, which is not below its folder")
    nested = source.suffix.lower() == ".vrt"
    # GDAL asks the VRT driver first, and that one looks for its word anywhere near the beginning.
    if depth == _DEEPEST or (not nested and b"<VRT" in _start(source, 1 << 16)):
        raise _outside(path, f"refers to {name!r}, which refers to others")
    if nested:
        _check_vrt(source, folder, depth + 1)
    else:
        _refuse_special(source)
        _refuse_references(source)
        facts = source.stat() if _is_file(source) else None
        state = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns) if facts else ()
        _check_driver(source, *state)


@cache
def _check_driver(path: Path, *_state: int) -> None:
    """Check that a raster is what its suffix promises, again only when it has changed."""
    # Sources are in one folder, which GDAL would list for each of them.
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"), opened(path):
        pass


def _is_file(path: Path) -> bool:
    """Whether it is a file; a name that is too long for one is none."""
    return os.path.isfile(path)  # noqa: PTH113


def _outside(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}.", "If you trust it, give allow_external=True.")


def _start(path: Path, size: int) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(size)
    return b""
