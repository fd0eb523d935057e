"""Scenes that show the same ground, such as two dates of one place: they belong to one split."""

from collections.abc import Sequence

from dnas_cli.datasets.inspection import ImageFacts

_SHARED = 0.1  # of the smaller footprint; neighbours of a map series overlap by less

Box = tuple[float, float, float, float]


def overlapping_scenes(images: Sequence[ImageFacts]) -> dict[str, str]:
    """Return the group of every scene that overlaps another one: the first name in the group.

    Footprints are boxes in degrees; two overlap if they share more than a tenth of the smaller one.
    """
    boxes = sorted((facts.footprint, facts.pair.scene) for facts in images if facts.footprint)
    parent: dict[str, str] = {}

    def root(scene: str) -> str:
        while parent.setdefault(scene, scene) != scene:
            scene = parent[scene]
        return scene

    for number, (box, scene) in enumerate(boxes):
        for other, name in boxes[number + 1 :]:
            if other[0] >= box[2]:
                break  # sorted by their western side
            if name != scene and _shared(box, other) > _SHARED:
                first, second = sorted((root(scene), root(name)))
                parent[second] = first
    groups = {scene: root(scene) for scene in parent}
    sizes = list(groups.values())
    return {scene: group for scene, group in groups.items() if sizes.count(group) > 1}


def _shared(one: Box, other: Box) -> float:
    """Return the share of the smaller box that both have."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / smaller if smaller > 0 else 0.0
