"""Matching the bands of a scene to those of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from dnas_cli.errors import DataError


@dataclass(frozen=True)
class BandChoice:
    """Bands of a file in the order of a network's input.

    Attributes:
        bands: Names or 1-based numbers, as `open_scene` takes them.
        note: The choice, if `dnas` made one; for the log.
        doubt: What may be wrong with it, if anything; for a warning.
    """

    bands: tuple[str | int, ...]
    note: str = ""
    doubt: str = ""


def choose_bands(
    scene: str, file_bands: Sequence[str], model_bands: Sequence[str], wanted: Sequence[str] = ()
) -> BandChoice:
    """Match the bands of a file to those of a model.

    If both have names, bands are matched by name. Numbers from the user select bands. Names from
    the user for a file without names for all bands are the names of its bands.

    Args:
        scene: Name of the file, for messages.
        file_bands: Its band names; a band without a name has its number.
        model_bands: Names of the network's input bands.
        wanted: The user's choice; may be empty.

    Raises:
        DataError: The file lacks bands that the model needs.
    """
    if not wanted:
        return _unasked(scene, file_bands, model_bands)
    if all(name.isdecimal() for name in wanted):
        return _by_number(scene, file_bands, model_bands, [int(name) for name in wanted])
    return _by_name(scene, file_bands, model_bands, wanted)


def _unasked(scene: str, file_bands: Sequence[str], model_bands: Sequence[str]) -> BandChoice:
    matched = _match(file_bands, model_bands)
    if matched is not None:
        return _reordered(file_bands, matched)
    if len(file_bands) != len(model_bands):
        raise _wrong_count(scene, file_bands, model_bands)
    doubt = _contradiction(file_bands, model_bands)
    if doubt and not any(name.isdecimal() for name in file_bands):
        positions = ",".join(str(number + 1) for number in range(len(model_bands)))
        raise DataError(
            f"{scene}: has the bands {', '.join(file_bands)}, but the model needs "
            f"{', '.join(model_bands)}.",
            f"If these are the same, say so: bands={positions}",
        )
    return BandChoice(tuple(file_bands), doubt=doubt)


def _by_number(
    scene: str, file_bands: Sequence[str], model_bands: Sequence[str], numbers: list[int]
) -> BandChoice:
    if len(numbers) != len(model_bands):
        raise _wrong_choice(scene, [str(number) for number in numbers], model_bands)
    inside = all(1 <= number <= len(file_bands) for number in numbers)
    names = [file_bands[number - 1] for number in numbers] if inside else []
    return BandChoice(tuple(numbers), doubt=_contradiction(names, model_bands))


def _by_name(
    scene: str, file_bands: Sequence[str], model_bands: Sequence[str], wanted: Sequence[str]
) -> BandChoice:
    known = [name.lower() for name in file_bands]
    absent = [name for name in wanted if name.lower() not in known and not name.isdecimal()]
    # If a file does not name all of its bands, its other names are unreliable: GDAL calls the
    # first three of many N R G B files red, green and blue.
    declared = any(name.isdecimal() for name in file_bands) and len(wanted) == len(file_bands)
    if absent and not declared:
        raise DataError(
            f"{scene}: has no band {absent[0]!r}; its bands are {', '.join(file_bands)}.",
            "Give numbers (bands=4,3,2), or a name for every band of the file in its order.",
        )
    sources: dict[str, str] = {
        name: file_bands[index] if absent else name for index, name in enumerate(wanted)
    }
    matched = _match(wanted, model_bands)
    if matched is not None:
        named = _reordered(wanted, matched)
        return BandChoice(tuple(sources[str(name)] for name in named.bands), named.note)
    if len(wanted) != len(model_bands):
        raise _wrong_choice(scene, wanted, model_bands)
    chosen = tuple(sources[name] for name in wanted)
    return BandChoice(chosen, doubt=_contradiction(wanted, model_bands))


def _match(names: Sequence[str], model_bands: Sequence[str]) -> list[str] | None:
    """Return `names` in the model's order; None if names do not determine it.

    Bands without a name fill the remaining places if their number fits: (blue, green, red, 4) for a
    model of (red, green, blue, nir) gives red, green, blue, 4.
    """
    by_name = {name.lower(): name for name in names if not name.isdecimal()}
    places = [by_name.get(band.lower()) for band in model_bands]
    if all(place is None for place in places):
        return None
    unnamed = [name for name in names if name.isdecimal()]
    named_elsewhere = len(names) - len(unnamed) - sum(place is not None for place in places)
    missing = sum(place is None for place in places)
    if missing and (missing != len(unnamed) or named_elsewhere):
        return None
    left = iter(unnamed)
    return [next(left) if place is None else place for place in places]


def _reordered(names: Sequence[str], chosen: Sequence[str]) -> BandChoice:
    note = "" if list(names) == list(chosen) else f"bands read as {', '.join(chosen)}"
    return BandChoice(tuple(chosen), note)


def _contradiction(names: Sequence[str], model_bands: Sequence[str]) -> str:
    """Describe how names of both sides differ, band by band."""
    differ = [
        f"{name} for {band}"
        for name, band in zip(names, model_bands, strict=False)
        if name.lower() != band.lower() and not name.isdecimal() and not band.isdecimal()
    ]
    return f"the model gets {', '.join(differ)}" if differ else ""


def _wrong_count(scene: str, file_bands: Sequence[str], model_bands: Sequence[str]) -> DataError:
    needs = _counted(model_bands)
    remedy = "Choose them, for example bands=" + ",".join(
        str(number + 1) for number in range(len(model_bands))
    )
    if len(file_bands) < len(model_bands):
        remedy = "Use a scene with these bands, or a model for the bands you have."
    return DataError(f"{scene}: has {_counted(file_bands)}; the model needs {needs}.", remedy)


def _wrong_choice(scene: str, wanted: Sequence[str], model_bands: Sequence[str]) -> DataError:
    return DataError(
        f"{scene}: bands=... gives {_counted(wanted)}; the model needs {_counted(model_bands)}.",
        "Name one band of the scene for each band of the model, in the model's order.",
    )


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)} {'band' if len(names) == 1 else 'bands'} ({', '.join(names)})"
