"""Problems with files of a dataset: warnings by name, or an error if no file is left."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnas_cli.console import logger
from dnas_cli.datasets.discovery import Problem
from dnas_cli.datasets.inspection import ImageFacts
from dnas_cli.errors import DataError
from dnas_cli.scenes.ground import LARGEST_RATIO

_COLLAR = 0.02  # share of zero pixels from which on a forgotten nodata is likely
_MOST_NAMED = 20  # problems; more would bury everything else


def warn_skipped(problems: Sequence[Problem], strict: bool) -> None:
    """Warn of skipped files and scenes by name.

    Raises:
        DataError: `strict`, and some are skipped.
    """
    lines = [f"{problem.name}: {problem.reason}" for problem in problems]
    if strict and lines:
        more = [f"and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
        raise DataError(
            f"strict=True: {len(lines)} problems:",
            "Repair these files, or leave strict=True out to skip them.",
            lines[:_MOST_NAMED] + more,
        )
    for line in lines[:_MOST_NAMED]:
        logger.warning("skipped: %s", line)
    for line in lines[_MOST_NAMED:]:
        logger.debug("skipped: %s", line)
    if len(lines) > _MOST_NAMED:
        logger.warning("skipped: %d in all; dataset.json lists them", len(lines))


def nothing_useful(source: Path, problems: int) -> DataError:
    """Return the error of a dataset without a usable file."""
    return DataError(
        f"{source}: no file can be used ({problems} problems, listed above).",
        "Repair the files, or describe the folder in a YAML file (docs/datasets.md).",
    )


def warn_unknown_pixels(sources: Sequence[Mapping[str, Any]]) -> None:
    """Warn of label pixels of no known colour or value."""
    found = [source for source in sources if source["unknown_pixels"]]
    total = sum(int(source["unknown_pixels"]) for source in found)
    if total:
        logger.warning(
            "%s label pixels in %d files are of no known colour or value; they count as "
            "unlabelled",
            f"{total:,}", len(found),
        )  # fmt: skip


def warn_small_images(images: Sequence[ImageFacts], size: int) -> None:
    """Warn of images that are smaller than a tile."""
    small = [facts for facts in images if min(facts.height, facts.width) < size]
    if small:
        names = ", ".join(
            f"{facts.pair.image} ({facts.width} x {facts.height})" for facts in small[:3]
        )
        logger.warning(
            "%d of %d images are smaller than %d px and are padded; padding is never counted: %s%s",
            len(small), len(images), size, names, ", ..." if len(small) > 3 else "",
        )  # fmt: skip


def warn_resolutions(images: Sequence[ImageFacts]) -> None:
    """Warn of images of different ground resolution."""
    known = sorted((facts.resolution, facts.pair.image) for facts in images if facts.resolution)
    if known and known[-1][0] > LARGEST_RATIO * known[0][0]:
        logger.warning(
            "the ground resolution differs: %s has pixels of %.3g m, %s of %.3g m",
            known[0][1], known[0][0], known[-1][1], known[-1][0],
        )  # fmt: skip


def warn_values(sources: Sequence[Mapping[str, Any]]) -> None:
    """Warn of images with a collar of zeros, and of values that are beyond anything."""
    collars = [source for source in sources if source["zero_share"] > _COLLAR]
    if collars:
        logger.warning(
            "%d images are 0 in all bands on up to %.0f %% of their pixels and declare no nodata: "
            "%s%s; if 0 is no data, set `nodata: 0`",
            len(collars),
            100 * max(source["zero_share"] for source in collars),
            ", ".join(source["image"]["path"] for source in collars[:3]),
            ", ..." if len(collars) > 3 else "",
        )
    odd = [source for source in sources if source["implausible_values"]]
    if odd:
        logger.warning(
            "%d images hold values of 1e20 and more, which count as no data: %s%s",
            len(odd),
            ", ".join(source["image"]["path"] for source in odd[:3]),
            ", ..." if len(odd) > 3 else "",
        )


def warn_notes(images: Sequence[ImageFacts]) -> None:
    """Warn of what was odd about images, one line for all with the same note."""
    files: dict[str, list[str]] = defaultdict(list)
    for facts in images:
        for note in facts.notes:
            files[note].append(facts.pair.image)
    for note, names in files.items():
        logger.warning("%d of %d images (%s, ...): %s", len(names), len(images), names[0], note)


def warn_alpha(images: Sequence[ImageFacts]) -> None:
    """Warn of images whose last band is taken for alpha."""
    masked = [facts for facts in images if facts.alpha is not None]
    if masked:
        logger.warning(
            "%d of %d images have a band %d that is taken for alpha: where it is 0, there is no "
            "data. If it is a band of the sensor, which many files do not say, name all bands with "
            "`bands:` in the dataset's description.",
            len(masked), len(images), masked[0].alpha,
        )  # fmt: skip
