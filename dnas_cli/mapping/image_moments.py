"""Mean and deviation of a whole scene, for networks that are normalised per image."""

from pathlib import Path

from dnas_cli.console import progress
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.scenes.normalisation import Moments
from dnas_cli.scenes.pixels import Pixels
from dnas_cli.scenes.raster import Window

_LARGEST_STRIP = 16 << 20  # pixels of all bands per read


def image_moments(scene: Pixels) -> Moments:
    """Read a scene once and return the moments of its pixels with data, band by band.

    They equal those that `dnas tile` measures on the same image.

    Raises:
        DataError: The scene is damaged.
    """
    statistics = BandStatistics.empty(len(scene.bands), scene.dtype)
    step = max(1, min(512, _LARGEST_STRIP // (scene.width * len(scene.bands))))
    with progress(f"light of {Path(scene.path).name}", scene.height, "row") as advance:
        for row in range(0, scene.height, step):
            rows = min(step, scene.height - row)
            statistics.add(*scene.read_with_validity(Window(row, 0, rows, scene.width)))
            advance(rows)
    return statistics.moments()
