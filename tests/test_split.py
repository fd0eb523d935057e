"""The split into train, val and test."""

import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnas_cli.datasets.description import DatasetDescription, parse_description
from dnas_cli.errors import UsageError
from dnas_cli.tiles.named_scenes import check_named_scenes, split_with_names
from dnas_cli.tiles.settings import TilingSettings
from dnas_cli.tiles.split import _gains, split_sizes, split_units
from dnas_cli.tiles.tile_options import parse_ratio, parse_scenes

SCENES = {
    f"scene{number:02d}": [
        1000 * (number % 4),
        500 if number % 3 else 0,
        70 * (number in (2, 7, 11)),
    ]
    for number in range(20)
}


EXPECTED = "train train train test val train val val test train train train"


def description() -> DatasetDescription:
    return parse_description("classes: {a: [1, 1, 1], b: [2, 2, 2]}", "test", "test")


def test_the_published_150_scenes_are_split_90_30_30() -> None:
    assert split_sizes(150, (6, 2, 2)) == (90, 30, 30)


@pytest.mark.parametrize(
    ("units", "sizes"),
    [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (5, (3, 1, 1))],
)
def test_few_scenes_leave_no_split_empty_that_can_have_one(
    units: int, sizes: tuple[int, int, int]
) -> None:
    assert split_sizes(units, (6, 2, 2)) == sizes


def test_a_part_of_zero_gets_nothing() -> None:
    assert split_sizes(10, (8, 2, 0)) == (8, 2, 0)


@given(
    st.integers(0, 400),
    st.tuples(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20)),
)
def test_split_sizes_add_up(units: int, ratio: tuple[int, int, int]) -> None:
    sizes = split_sizes(units, ratio)
    assert sum(sizes) == units
    assert min(sizes) >= 0
    assert all(size == 0 for size, part in zip(sizes, ratio, strict=True) if part == 0)


def test_every_class_that_can_be_is_in_every_split() -> None:
    for seed in range(20):
        split = split_units(SCENES, (6, 2, 2), seed)
        for land_class in range(3):
            found = {split[name] for name, pixels in SCENES.items() if pixels[land_class]}
            assert found == {"train", "val", "test"}, (seed, land_class)


def test_class_shares_are_close_to_the_ratio() -> None:
    split = split_units(SCENES, (6, 2, 2), 0)
    total = sum(pixels[0] for pixels in SCENES.values())
    train = sum(SCENES[name][0] for name, where in split.items() if where == "train")
    assert train / total == pytest.approx(0.6, abs=0.05)


def test_swapping_many_scenes_of_many_classes_takes_few_rounds_and_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A table of all pairs and classes has 6.5 million entries here; one of all pairs, 43,200."""
    random, calls = np.random.default_rng(0), list[int]()

    def counted(*given: Any) -> npt.NDArray[np.int64]:
        calls.append(1)
        return _gains(*given)

    monkeypatch.setattr("dnas_cli.tiles.split._gains", counted)
    units = {f"s{n}": row for n, row in enumerate(random.integers(0, 9999, (60, 150)).tolist())}
    split_units(units, (6, 2, 2), 0)
    assert 3 <= len(calls) < 3 * 60  # three pairs of splits a round
    shares = random.integers(0, 9999, (600, 150))
    ours, theirs, _ = np.split(np.arange(600), [360, 480])
    total, possible = shares.sum(axis=0), np.ones(150, np.bool_)
    tracemalloc.start()
    _gains(shares, ours, theirs, 600_000, 200_000, possible, total)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 43_200 * 8


def test_the_split_depends_on_the_seed_but_not_on_the_order_of_the_scenes() -> None:
    backwards = dict(reversed(SCENES.items()))
    assert split_units(SCENES, (6, 2, 2), 1) == split_units(backwards, (6, 2, 2), 1)
    assert split_units(SCENES, (6, 2, 2), 1) != split_units(SCENES, (6, 2, 2), 2)


def test_the_split_is_the_same_on_any_machine() -> None:
    """A fixed answer, computed by another process under other hash seeds."""
    program = (
        "from dnas_cli.tiles.split import split_units\n"
        "units = {f's{n}': [n * 10, 100 - n, 5 * (n % 3 == 0)] for n in range(12)}\n"
        "split = split_units(units, (6, 2, 2), 7)\n"
        "print(' '.join(split[f's{n}'] for n in range(12)))\n"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "123")
    }
    assert answers == {EXPECTED}


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.lists(st.integers(0, 10**11), min_size=3, max_size=3),
        max_size=30,
    ),
    st.integers(0, 2**63),
)
def test_any_units_are_divided_by_the_sizes(units: dict[str, list[int]], seed: int) -> None:
    split = split_units(units, (6, 2, 2), seed)
    assert set(split) == set(units)
    counts = Counter(split.values())
    sizes = split_sizes(len(units), (6, 2, 2))
    assert tuple(counts[name] for name in ("train", "val", "test")) == sizes


def named(
    scenes: dict[str, tuple[str, ...]], ratio: tuple[int, int, int] = (6, 2, 2)
) -> dict[str, str]:
    import numpy as np

    units = {f"s{number}": np.array([5, number, 1]) for number in range(10)}
    asked = TilingSettings(description(), ratio=ratio, scenes=tuple(scenes.items()))
    return split_with_names(units, {unit: unit for unit in units}, asked, {}, {}, {})


def test_named_scenes_go_where_they_are_named_for_and_the_rest_to_the_other_splits() -> None:
    split = named({"val": ("s3",), "test": ("s4", "s5")})
    assert {name for name, where in split.items() if where == "val"} == {"s3"}
    assert {name for name, where in split.items() if where == "test"} == {"s4", "s5"}
    assert Counter(split.values())["train"] == 7


def test_naming_only_the_test_scenes_divides_the_rest_by_train_and_val() -> None:
    split = named({"test": ("s0", "s1")})
    assert Counter(split.values()) == {"train": 6, "val": 2, "test": 2}


def test_naming_all_three_leaves_the_other_scenes_out() -> None:
    split = named({"train": ("s0",), "val": ("s1",), "test": ("s2",)})
    assert split == {"s0": "train", "s1": "val", "s2": "test"}


def test_a_misspelt_scene_is_refused_with_the_nearest_name() -> None:
    asked = TilingSettings(description(), scenes=(("test", ("Tile 44",)),))
    message = r"test_scenes='Tile 44': no such scene\. Did you mean Tile_4\?"
    with pytest.raises(UsageError, match=message):
        check_named_scenes(asked, {"Tile_1", "Tile_4"})


def test_a_scene_named_for_two_splits_is_refused() -> None:
    with pytest.raises(UsageError, match="two splits"):
        TilingSettings(description(), scenes=(("val", ("Tile 4",)), ("test", ("Tile_4",))))


@pytest.mark.parametrize("text", ["6:2", "6:2:2:2", "a:b:c", "", "6:-2:2", "6.5:2:2", "٦:2:2"])
def test_a_ratio_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="three whole numbers"):
        parse_ratio(text)


def test_scenes_can_be_listed_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("Tile 4\n\nTile 5\n")
    assert parse_scenes(f"@{tmp_path / 'test.txt'}") == ("Tile 4", "Tile 5")
    assert parse_scenes("Tile 4, Tile 5,") == ("Tile 4", "Tile 5")
    with pytest.raises(UsageError, match="no such file"):
        parse_scenes(f"@{tmp_path / 'missing'}")
