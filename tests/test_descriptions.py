"""Descriptions of datasets: the built-in ones, and those of users."""

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dnas_cli.datasets.description import BUILT_IN, load_description, parse_description
from dnas_cli.errors import DataError
from tests.support.fuzzing import FUZZ


def test_the_built_in_descriptions_are_valid() -> None:
    counts = {name: len(load_description(name).classes) for name in BUILT_IN}
    assert counts == {"gid5": 5, "gid15": 15, "fbp": 24}
    gid5 = load_description("gid5")
    assert gid5.bands == ("red", "green", "blue", "nir")
    assert gid5.normalisation is not None
    assert gid5.normalisation.mean == (0.485, 0.456, 0.406, 0.411)


def test_gid15_and_fbp_have_the_colours_of_their_makers() -> None:
    gid15, fbp = (
        {item.name: item.colour for item in load_description(name).classes}
        for name in ("gid15", "fbp")
    )
    assert set(gid15.values()) < set(fbp.values())  # FBP's finer classes kept GID-15's colours
    for name in ("urban residential", "rural residential", "paddy field", "dry cropland",
                 "river", "lake", "pond"):  # fmt: skip
        assert gid15[name] == fbp[name]
    assert (gid15["traffic land"], fbp["road"]) == ((250, 150, 150), (250, 150, 150))
    assert (fbp["fish pond"], fbp["overpass"]) == ((150, 200, 250), (250, 150, 0))
    assert [list(fbp).index(name) + 1 for name in ("industrial area", "river", "snow")] == [
        1,
        11,
        16,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clases: {a: [1, 2, 3]}", "unknown key clases. Did you mean classes?"),
        ("images: [{pth: a}]\nclasses: {a: [1, 2, 3]}", "unknown key images.pth"),
        ("classes: {a: [1, 2, 3], a: [2, 2, 2]}", "'a' is given twice"),
        ("classes: {a: [1, 2, 3], b: [1, 2, 3]}", "two classes have the colour"),
        ("classes: {no: [1, 2, 3]}", "Put it in quotes"),
        ("classes: {a: [1, 2, 256]}", "0 to 255"),
        ("classes: {a: red}", "#rrggbb"),
        ("classes: [a, b]", "no colour, and labels are colours"),
        ("classes: {}", "`classes` is missing"),
        ("classes: {a: [1, 2, 3]}\nignore: [1, 2, 3]", "which is the class 'a'"),
        ("classes: {a: [1, 2, 3]}\nfirst_value: 1", "needs `label_kind: index`"),
        ("classes: [a]\nlabel_kind: index\nignore: 0", "which is the class 'a'"),
        ("classes: [a]\nlabel_kind: values", "label_kind 'values' is none of colour, index"),
        ("classes: {a: [1, 2, 3]}\nimages: ../{scene}.tif", "below the source folder"),
        ("classes: {a: [1, 2, 3]}\nimages: /{scene}.tif", "below the source folder"),
        ("classes: {a: [1, 2, 3]}\nimages: '{scene}{scene}'", "names the same part twice"),
        ("classes: {a: [1, 2, 3]}\nimages: '{scene'", "pattern '{scene'"),
        ("classes: {a: [1, 2, 3]}\nimages: 'a/*.tif'", "lacks {scene}"),
        ("classes: {a: [1, 2, 3]}\nlabels: 'l/{part}.tif'", "they could not be paired"),
        ("classes: {a: [1, 2, 3]}\nnodata: none", "nodata 'none' is not a number"),
        ("classes: {a: [1, 2, 3]}\nnormalisation: {mean: [1], std: [1]}", "one each per band"),
        ("classes: {a: [1, 2, 3]}\nlists: train.lst", "must hold {split}"),
        ("[]", "is [], not keys with values"),
        ("[" * 5_000, "is not valid YAML"),
        ("a: [", "is not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
    ],
)
def test_a_wrong_description_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_description(text, "my.yaml", "my")
    assert str(caught.value).startswith("my.yaml: ")
    assert message in str(caught.value)


def test_index_classes_can_have_values_of_their_own_and_chosen_colours() -> None:
    text = """
    label_kind: index
    classes: [{name: trees, value: 10}, {name: grass, value: 30}, {name: water, value: 80}]
    ignore: [0]
    """
    description = parse_description(text, "my.yaml", "my")
    assert description.encoding.values == (10, 30, 80)
    assert len({land_class.colour for land_class in description.classes}) == 3


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["path", "bands", "name", "value", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
KEYS = ["classes", "images", "labels", "ignore", "bands", "label_kind", "scene", "nodata", "lists",
        "normalisation", "name", "first_value"]  # fmt: skip


@FUZZ
@given(st.sampled_from(["colour", "index"]), st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_any_yaml_is_a_description_or_refused(kind: str, changes: dict[str, Any]) -> None:
    value = {"classes": {"a": [1, 2, 3]}, "bands": ["x"], "label_kind": kind} | changes
    with contextlib.suppress(DataError):
        description = parse_description(yaml.safe_dump(value), "my.yaml", "my")
        json.dumps(description.to_json())
        assert description.classes
