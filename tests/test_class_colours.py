"""Colours of classes that have none."""

from itertools import combinations

from dnas_cli.datasets.description import parse_description
from dnas_cli.scenes.class_colours import chosen_colours, distance

LAND = ("water", "forest", "built-up", "meadow", "farmland", "road", "bare soil", "wetland", "snow")
FBP = (
    "industrial area", "paddy field", "irrigated field", "dry cropland", "garden land",
    "arbor forest", "shrub forest", "park", "natural meadow", "artificial meadow", "river",
    "urban residential", "lake", "pond", "fish pond", "snow", "bareland", "rural residential",
    "stadium", "square", "road", "overpass", "railway station", "airport",
)  # fmt: skip


def test_names_that_mean_something_have_its_colour() -> None:
    colours = dict(zip(LAND, chosen_colours(LAND), strict=True))
    for name, channel in (("water", 2), ("forest", 1), ("built-up", 0), ("meadow", 1)):
        assert max(range(3), key=colours[name].__getitem__) == channel
    assert colours["built-up"] == chosen_colours(["Urban areas"])[0]
    assert chosen_colours(["farmland"]) != chosen_colours(["bare land"])


def test_names_are_understood_in_several_spellings_and_languages() -> None:
    spellings = {
        "built-up": (
            "Buildings",
            "built_up",
            "BuiltUp",
            "Gebäude",
            "Bâtiments",
            "edificios",
            "建筑",
        ),
        "water": ("water body", "Waterbodies", "Gewässer", "eau", "Agua", "水体"),
        "grass": ("grassland", "Grass-land", "Wiese", "prairie", "pastos", "草地"),
        "forest": ("Forêt", "Nadelwald", "bosque", "woodland", "trees", "林地"),
        "farm": ("farmland", "Ackerland", "cultures", "cropland", "水田", "paddy field"),
        "road": ("Roads", "Straße", "carretera", "道路"),
    }
    for meant, names in spellings.items():
        for name in names:
            assert chosen_colours([name]) == chosen_colours([meant]), name
    for other in ("office", "plateau"):  # neither ice nor water
        assert chosen_colours([other]) == chosen_colours(["class 1"])


def test_colours_differ_also_for_people_without_red_or_green_cones() -> None:
    for names in (LAND, [f"class {index}" for index in range(12)]):
        for one, other in combinations(chosen_colours(names), 2):
            assert distance(one, other) >= 12
    for one, other in combinations(chosen_colours(FBP), 2):
        assert distance(one, other) >= 6
    assert distance((255, 0, 0), (140, 115, 0)) < 15 < distance((255, 0, 0), (0, 0, 255))
    assert len(set(chosen_colours([f"class {index}" for index in range(254)]))) == 254


def test_chosen_colours_keep_away_from_given_ones() -> None:
    text = """
classes:
  - {name: water, colour: [230, 30, 60], value: 0}
  - {name: town, value: 1}
label_kind: index
"""
    water, town = parse_description(text, "x.yaml", "x").classes
    assert water.colour == (230, 30, 60)
    assert distance(water.colour, town.colour) >= 6
