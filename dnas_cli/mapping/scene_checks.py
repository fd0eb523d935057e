"""Does a scene look like the training data? Checks on a sample of its values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dnas_cli.scenes.band_statistics import BandSummary
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.raster import Raster, open_raster
from dnas_cli.scenes.scene_files import SceneFiles

_SAMPLE = 512  # pixels on the longer side
_FAR = 1.5  # training ranges between the training median and a scene's median
_FLAT, _WILD = 0.04, 5.0  # a scene's range, in training ranges
_ALPHA_LIKE = 0.5  # share of transparent or opaque pixels from which on a band is alpha


def alpha_holds_data(path: str | Path | SceneFiles, alpha_band: int | None) -> bool:
    """Whether a scene's alpha band is none: alpha is mostly transparent or mostly opaque.

    GDAL calls the fourth band of many R G B NIR files alpha by default.
    """
    if alpha_band is None:
        return False
    with open_raster(path, [alpha_band]) as band:
        values, _ = band.preview(_SAMPLE)
    extreme = (values == 0) | (values == values.max())
    return float(extreme.mean()) < _ALPHA_LIKE


def zero_share(scene: Raster) -> float:
    """Return the share of pixels that are 0 in all bands of a scene that declares no nodata."""
    if scene.has_validity:
        return 0.0
    values, _ = scene.preview(_SAMPLE)
    return float((values == 0).all(axis=0).mean())


def doubts_about(
    scene: Raster,
    dtype: str,
    bands: Sequence[str],
    normalisation: Normalisation,
    statistics: Mapping[str, BandSummary],
) -> list[str]:
    """Describe how a scene differs from the training data, if it looks like another product.

    Args:
        scene: The scene, its bands in the model's order.
        dtype: Data type of the training tiles.
        bands: Names of the model's bands.
        normalisation: Of the model; replaces missing statistics of the training data.
        statistics: Per-band statistics of the training split, in stored values.
    """
    values, valid = scene.preview(_SAMPLE)
    if not valid.any():
        return []
    doubts = []
    if scene.dtype != dtype and not (scene.is_scaled and np.dtype(dtype).kind == "f"):
        doubts.append(f"its values are {scene.dtype}, the model was trained on {dtype}")
    for index, name in enumerate(bands):
        centre, span = _training_range(index, name, normalisation, statistics)
        low, middle, high = np.percentile(values[index][valid].astype(np.float64), (1, 50, 99))
        if abs(middle - centre) > _FAR * span or not _FLAT < (high - low) / span < _WILD:
            doubts.append(
                f"band {name} is {low:.6g} to {high:.6g}, in training about "
                f"{centre - span / 2:.6g} to {centre + span / 2:.6g}"
            )
    return doubts


def _training_range(
    index: int, name: str, normalisation: Normalisation, statistics: Mapping[str, BandSummary]
) -> tuple[float, float]:
    """Return the middle of a band's values in training and the span of most of them."""
    try:
        percentiles = statistics[name]["percentiles"]
        low, high = float(percentiles["1"]), float(percentiles["99"])
    except (KeyError, TypeError, ValueError):
        low = high = 0.0
    if high > low:
        return (low + high) / 2, high - low
    scale = normalisation.scale
    return normalisation.mean[index] / scale, 4 * normalisation.std[index] / scale
