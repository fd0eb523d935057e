"""A raster as it looks on another grid: read by window, warped on the way.

It reads as an open dataset does: whoever reads it need not know.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from dnas_cli.errors import DataError
from dnas_cli.scenes.validity import can_hold

_EXACT = 1e-6  # of a pixel; with 0, rasterio makes no transformer at all
_NO_CRS = "EPSG:3857"  # stands for the CRS of two rasters that both say none


@dataclass(frozen=True)
class Grid:
    """The pixels of a raster and where they lie.

    Attributes:
        crs_wkt: Coordinate reference system, if there is one.
        transform: Affine coefficients, as `Georeference` has them.
        height: Rows.
        width: Pixels per row.
    """

    crs_wkt: str | None
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int


class NoOverlapError(DataError):
    """A label that lies elsewhere than its scene."""


class OnGrid:
    """A dataset on another grid; what it does not cover holds no data.

    Args:
        dataset: An open rasterio dataset with a transform.
        grid: The grid.
        resampling: `nearest` for classes; `bilinear` for measurements, which averages where the
            grid is coarser. Pixels without data take no part.
        place: CRS and transform of the dataset, if it is to lie elsewhere than it says.
        nodata: Value that means "no data", in place of the declared one; for measurements.

    Raises:
        RasterioError: No way leads from one CRS to the other.
        CRSError: One of them is none.
    """

    def __init__(
        self,
        dataset: Any,
        grid: Grid,
        resampling: Resampling,
        place: Grid | None = None,
        nodata: float | None = None,
    ) -> None:
        self.dataset = dataset
        alpha = dataset.colorinterp[-1] == ColorInterp.alpha and dataset.count > 1
        nodata = nodata if nodata is not None else dataset.nodata
        if nodata is not None and not can_hold(dataset.dtypes[0], nodata):
            nodata = None
        # A value that is no data must not be mixed into others; a nearest pixel stays what it is.
        mixes = resampling != Resampling.nearest
        excluded = nodata if mixes and not alpha else None
        has_coverage = not alpha and excluded is None
        self._vrt = WarpedVRT(
            dataset,
            src_crs=crs_of(place.crs_wkt) if place else dataset.crs or crs_of(None),
            src_transform=Affine(*place.transform) if place else None,
            crs=crs_of(grid.crs_wkt),
            transform=Affine(*grid.transform),
            width=grid.width,
            height=grid.height,
            resampling=resampling,
            tolerance=_EXACT,
            src_nodata=excluded,
            nodata=excluded,
            add_alpha=has_coverage,
            src_alpha=dataset.count if mixes and alpha else 0,
            # 0 is no data where all bands hold it; see `holds_nodata`.
            **({} if excluded is None else {"UNIFIED_SRC_NODATA": "YES"}),
        )
        self._coverage = dataset.count + 1 if has_coverage else None
        self.shape: tuple[int, int] = (grid.height, grid.width)
        self.height, self.width = self.shape
        self.crs = CRS.from_wkt(grid.crs_wkt) if grid.crs_wkt else None
        self.transform = Affine(*grid.transform)
        self.gcps: tuple[list[Any], None] = ([], None)
        self.rpcs = None
        if has_coverage:
            self.mask_flag_enums = ([MaskFlags.per_dataset],) * dataset.count
        if excluded is not None:
            self.nodatavals = (excluded,) * dataset.count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def read(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = self._vrt.read(bands, window=window, out_shape=out_shape)
        return values

    def read_masks(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        if self._coverage is None:
            masks: npt.NDArray[Any] = self._vrt.read_masks(
                bands, window=window, out_shape=out_shape
            )
            return masks
        shape = out_shape and out_shape[-2:]
        mask: npt.NDArray[Any] = self._vrt.read(self._coverage, window=window, out_shape=shape)
        return mask if isinstance(bands, int) else np.stack([mask] * len(bands))

    def close(self) -> None:
        self._vrt.close()
        self.dataset.close()


def crs_of(wkt: str | None) -> CRS:
    """Return a CRS by its WKT; the same one for all rasters that say none."""
    return CRS.from_wkt(wkt) if wkt else CRS.from_string(_NO_CRS)
