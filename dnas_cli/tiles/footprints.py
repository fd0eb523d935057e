"""Where the scenes of a tile set lie, by the place that their tiles carry."""

from collections.abc import Iterable
from dataclasses import dataclass

from dnas_cli.scenes.ground import footprint
from dnas_cli.scenes.raster import open_raster
from dnas_cli.tiles.lists import SPLITS, TileRef, path_inside, place_of
from dnas_cli.tiles.tile_set import TileSet

Box = tuple[float, float, float, float]  # west, south, east, north in degrees


@dataclass(frozen=True)
class SceneFootprint:
    """The box around a scene's tiles.

    Attributes:
        box: West, south, east and north in degrees.
    """

    scene: str
    split: str
    box: Box


def scene_footprints(tiles: TileSet) -> list[SceneFootprint]:
    """Return where scenes lie; those without a place on the Earth are left out.

    The outermost tiles of every image are opened, four at most.

    Raises:
        DataError: A tile cannot be read.
    """
    found = []
    for split in SPLITS:
        if not tiles.count(split):
            continue
        by_scene: dict[str, list[TileRef]] = {}
        for ref in tiles.split(split):
            by_scene.setdefault(ref.scene, []).append(ref)
        for scene, refs in by_scene.items():
            boxes = [box for ref in _outermost(refs) if (box := _box(tiles, ref)) is not None]
            if boxes:
                west, south, east, north = zip(*boxes, strict=True)
                box = (min(west), min(south), max(east), max(north))
                found.append(SceneFootprint(scene, split, box))
    return found


def _outermost(refs: Iterable[TileRef]) -> set[TileRef]:
    by_image: dict[str, list[tuple[int, int, TileRef]]] = {}
    chosen: set[TileRef] = set()
    for ref in refs:
        place = place_of(ref)
        if place is None:
            chosen.add(ref)
        else:
            by_image.setdefault(place[0], []).append((place[1], place[2], ref))
    for places in by_image.values():
        by_row = sorted(places, key=lambda place: place[0])
        by_column = sorted(places, key=lambda place: place[1])
        chosen |= {by_row[0][2], by_row[-1][2], by_column[0][2], by_column[-1][2]}
    return chosen


def _box(tiles: TileSet, ref: TileRef) -> Box | None:
    path = path_inside(tiles.tiles_folder, ref.image)
    with open_raster(path, tiles.band_numbers, tiles.nodata) as tile:
        return footprint(tile.georeference, tile.height, tile.width)
