"""Which bands of a scene the network gets."""

import pytest

from dnas_cli.errors import DataError
from dnas_cli.mapping.bands import choose_bands


def test_names_decide_in_any_order_and_the_user_is_informed() -> None:
    choice = choose_bands("a.tif", ("nir", "Red", "green", "blue"), ("red", "green", "nir"))
    assert choice.bands == ("Red", "green", "nir")
    assert "Red, green, nir" in choice.note


def test_bands_without_names_are_taken_as_they_are() -> None:
    choice = choose_bands("a.tif", ("1", "2"), ("red", "nir"))
    assert choice.bands == ("1", "2")
    assert not choice.note
    assert not choice.doubt


def test_one_band_without_a_name_takes_the_place_that_is_left() -> None:
    choice = choose_bands("a.tif", ("blue", "green", "red", "4"), ("red", "green", "blue", "nir"))
    assert choice.bands == ("red", "green", "blue", "4")


def test_names_that_contradict_the_model_are_refused_unless_positions_are_given() -> None:
    with pytest.raises(DataError, match="has the bands swir, nir, but the model needs red, green"):
        choose_bands("a.tif", ("swir", "nir"), ("red", "green"))
    choice = choose_bands("a.tif", ("swir", "nir"), ("red", "green"), ("1", "2"))
    assert choice.bands == (1, 2)
    choice = choose_bands("a.tif", ("swir", "2"), ("red", "green"))
    assert "swir for red" in choice.doubt


@pytest.mark.parametrize("count", [1, 3, 6])
def test_another_number_of_bands_is_refused(count: int) -> None:
    names = tuple(str(number + 1) for number in range(count))
    with pytest.raises(DataError, match=r"model needs 4 bands \(red, green, blue, nir\)"):
        choose_bands("a.tif", names, ("red", "green", "blue", "nir"))


def test_names_for_every_band_outdo_a_file_that_does_not_name_them_all() -> None:
    """GDAL takes an 8-bit N R G B file for red, green, blue and something."""
    choice = choose_bands(
        "a.tif",
        ("red", "green", "blue", "4"),
        ("red", "green", "blue", "nir"),
        ("nir", "red", "green", "blue"),
    )
    assert choice.bands == ("green", "blue", "4", "red")


def test_numbers_are_taken_as_given() -> None:
    choice = choose_bands("a.tif", ("1", "2", "3", "4"), ("r", "g", "b"), ("4", "3", "2"))
    assert choice.bands == (4, 3, 2)


def test_names_given_to_a_file_without_names_say_what_its_bands_are() -> None:
    choice = choose_bands(
        "a.tif", ("1", "2", "3", "4"), ("red", "green", "blue", "nir"),
        ("nir", "red", "green", "blue"),
    )  # fmt: skip
    assert choice.bands == ("2", "3", "4", "1")


def test_too_few_wishes_are_refused() -> None:
    with pytest.raises(DataError, match=r"bands=\.\.\. gives 2 bands"):
        choose_bands("a.tif", ("1", "2", "3"), ("red", "green", "blue"), ("3", "2"))


def test_a_name_the_file_does_not_have_is_refused() -> None:
    with pytest.raises(DataError, match="no band 'nir'"):
        choose_bands("a.tif", ("red", "green"), ("nir",), ("nir",))
