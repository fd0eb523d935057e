"""The self-contained model file: weights, architecture, classes, bands, normalisation."""
