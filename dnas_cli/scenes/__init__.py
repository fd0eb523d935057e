"""Rasters in and out: bands, windows, nodata, georeference, palettes."""
