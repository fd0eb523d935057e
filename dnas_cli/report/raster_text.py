"""The facts of a raster as lines of text."""

from dnas_cli.report.tables import lines_of, table
from dnas_cli.scenes.facts import Place, RasterFacts


def raster_text(facts: RasterFacts) -> list[str]:
    """Return the facts as lines: size, format, georeference, values per band."""
    storage = facts.storage
    cog = ", cloud-optimized" if storage.cloud_optimized else ""
    overviews = ", ".join(map(str, storage.overviews)) or "none"
    count, compression = len(facts.bands), storage.compression
    if compression != "none":
        compression_text = f", compressed by {compression}"
    else:  # GDAL reports it for GeoTIFF; PNG and others have their own and report nothing
        compression_text = ", not compressed" if facts.format in ("GTiff", "COG") else ""
    lines = [
        f"size          {facts.width} x {facts.height} pixels, "
        f"{count} {'band' if count == 1 else 'bands'}, {facts.dtype}",
        f"format        {facts.format}{compression_text}, blocks of "
        f"{storage.block[1]} x {storage.block[0]}, overviews {overviews}{cog}",
        *_place_text(facts.georeference),
        f"no data       {_nodata_text(facts)}",
    ]
    if facts.palette:
        lines.append("values        class indices with a palette")
    if facts.classes:
        lines.append(f"classes       {', '.join(facts.classes)}")
    scaled = any(band.scale != 1 or band.offset != 0 for band in facts.bands)
    columns = ["min", "mean", "max", *(["scale", "offset"] if scaled else [])]
    made = table("band (of a sample)" if facts.sampled else "band", *columns)
    for band in facts.bands:
        numbers = [band.min, band.mean, band.max, *([band.scale, band.offset] if scaled else [])]
        made.add_row(band.name, *("-" if value is None else f"{value:.6g}" for value in numbers))
    return [*lines, "", *lines_of(made, indent=2)]


def _place_text(place: Place) -> list[str]:
    if not any((place.crs, place.transform, place.rpcs, place.ground_control_points)):
        return ["georeference  none"]
    code = f" (EPSG:{place.epsg})" if place.epsg else ""
    lines = [f"CRS           {place.crs or 'none'}{code}"]
    if place.transform is not None and place.pixel_size is not None:
        across, down = place.pixel_size
        turned = ", rotated" if place.rotated else ""
        turned += ", south up" if place.south_up else ""
        corner = f"{place.transform[2]:.10g}, {place.transform[5]:.10g}"
        lines.append(f"pixel         {across:.6g} x {down:.6g}, from {corner}{turned}")
    if place.ground_control_points:
        lines.append(f"GCPs          {place.ground_control_points} ground control points")
    if place.rpcs:
        lines.append("RPCs          yes")
    return lines


def _nodata_text(facts: RasterFacts) -> str:
    ways = []
    if facts.nodata_is_nan:
        ways.append("NaN")
    elif facts.nodata is not None:
        ways.append(f"{facts.nodata:g}")
    if facts.alpha:
        ways.append("alpha band")
    elif facts.mask:
        ways.append("mask")
    text = ", ".join(ways) or "not declared"
    text += f"; {100 * facts.valid_share:.1f} % of the pixels hold data"
    if facts.zero_share:
        text += f", {100 * facts.zero_share:.1f} % are 0 in all bands"
    return text
