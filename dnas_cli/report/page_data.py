"""The data of a run, for its page: class shares, drift, footprints, tiles with their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dnas_cli.report.drawing import Drawing
from dnas_cli.report.footprint_map import footprint_map
from dnas_cli.report.page_content import SIDE, PageContent
from dnas_cli.report.pictures import data_uri, outlined
from dnas_cli.tiles.drift import Drift, class_shares
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.tile_set import TileSet


@dataclass(frozen=True)
class PageData:
    """What a page says of the data.

    Attributes:
        tiles: The tile set.
        splits: Those that hold tiles.
        shares: Per split, the share of each class among the labelled pixels.
        drift: How far the other splits are from the training split.
        footprints: Where scenes lie; None where they have no place.
        sheets: Per split, tiles with their labels as outlines: name and address of the picture.
    """

    tiles: TileSet
    splits: tuple[str, ...]
    shares: Mapping[str, tuple[float, ...]]
    drift: Mapping[str, Drift]
    footprints: Drawing | None
    sheets: Mapping[str, tuple[tuple[str, str], ...]]


def page_data(content: PageContent) -> PageData | None:
    """Return what a page says of the data; None where the tile set is not at hand."""
    tiles = content.tiles
    if tiles is None:
        return None
    splits = tuple(split for split in SPLITS if tiles.count(split))
    return PageData(
        tiles,
        splits,
        {split: tuple(map(float, class_shares(tiles, split))) for split in splits},
        content.drift,
        footprint_map(content.footprints),
        {
            split: tuple(
                (
                    Path(item.ref.image).stem,
                    data_uri(
                        outlined(item.image, item.valid, tiles.bands, item.truth, tiles.classes),
                        SIDE,
                        True,
                    ),
                )
                for item in shown
            )
            for split, shown in content.labels.items()
        },
    )
