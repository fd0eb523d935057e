"""Scenes whose bands are in several files, or in variables of a NetCDF or HDF5 file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.errors import DataError
from dnas_cli.files import changed_after, file_hash
from dnas_cli.json_files import content_hash
from dnas_cli.scenes.opening import files_behind

_VARIABLE = re.compile(
    r'(?:(?:NETCDF|HDF5):)?"?(?P<path>.+?\.(?:nc4?|h5|hdf5|he5))"?:(?://)?(?P<variable>[^"]+)', re.I
)


@dataclass(frozen=True)
class BandFile:
    """A band of a scene and where it is.

    Attributes:
        names: What it is called, the most certain name first.
        path: The file, or an address.
        variable: The variable of a NetCDF or HDF5 file.
        number: Its number in the file, from 1; 0 for all bands, if there is no other file.
        is_alone: Whether the file holds no other band.
    """

    names: tuple[str, ...]
    path: str
    variable: str = ""
    number: int = 1
    is_alone: bool = True

    @property
    def place(self) -> str:
        """What a user calls it."""
        return f"{self.path}:{self.variable}" if self.variable else self.path


@dataclass(frozen=True)
class SceneFiles:
    """A scene that is put together from bands.

    Attributes:
        name: What the scene is called.
        parts: Its bands.
    """

    name: str
    parts: tuple[BandFile, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def is_one_file(self) -> bool:
        """Whether the bands are those of a single file, which may name them."""
        return len(self.parts) == 1 and self.parts[0].number == 0

    @property
    def files(self) -> tuple[str, ...]:
        """The files and addresses, each once."""
        return tuple(dict.fromkeys(part.path for part in self.parts))

    def of_bands(self, wanted: Sequence[str]) -> "SceneFiles":
        """Return the scene with the wanted bands alone, in their order and by their names.

        Args:
            wanted: Names, or numbers from 1; all bands as they are when empty.

        Raises:
            DataError: A band is missing, or several may be meant.
        """
        if not wanted or self.is_one_file:
            return self
        parts = [replace(self._part(name), names=(self._name(name),)) for name in wanted]
        return replace(self, parts=tuple(parts))

    def _name(self, wanted: str) -> str:
        return self.parts[int(wanted) - 1].names[0] if self._is_number(wanted) else wanted

    def _is_number(self, wanted: str) -> bool:
        return wanted.isdecimal() and 1 <= int(wanted) <= len(self.parts)

    def _part(self, wanted: str) -> BandFile:
        for rank in range(max(len(part.names) for part in self.parts)):
            found = [
                part
                for part in self.parts
                if rank < len(part.names) and part.names[rank].lower() == wanted.lower()
            ]
            # A picture in natural colours has its red as well.
            found = [part for part in found if part.is_alone] or found
            if len(found) > 1:
                raise DataError(
                    f"{self.name}: several bands are called {wanted!r}: "
                    f"{', '.join(part.names[0] for part in found)}.",
                    "Name one of these instead.",
                )
            if found:
                return found[0]
        if self._is_number(wanted):
            return self.parts[int(wanted) - 1]
        names = dict.fromkeys(" or ".join(dict.fromkeys(part.names)) for part in self.parts)
        raise DataError(f"{self.name}: has no band {wanted!r}; it has {', '.join(names)}.")


def split_variable(text: str) -> tuple[str, str]:
    """Return path and variable of `scene.nc:red` or `NETCDF:"scene.nc":red`; none of a plain path.

    >>> split_variable("cubes/{scene}.nc:red")
    ('cubes/{scene}.nc', 'red')
    """
    found = _VARIABLE.fullmatch(text)
    return (text, "") if found is None else (found["path"], found["variable"])


def state_of(scene: str | SceneFiles) -> list[list[int] | str]:
    """Return what changes when a scene's files do: size and times, of an address its text."""
    states: list[list[int] | str] = []
    for name in _names_of(scene):
        if (path := local_file(name)) is not None:
            facts = path.stat()
            # Copying sets the time of the content at will, but not that of the entry.
            states.append([facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns])
        else:
            states.append(name)
    return states


def content_of(scene: str | SceneFiles) -> str:
    """Return a hash of what a scene's files hold; an address stands for itself.

    Raises:
        DataError: A file cannot be read.
    """
    files = {name: local_file(name) for name in _names_of(scene)}
    return content_hash([name if file is None else file_hash(file) for name, file in files.items()])


def has_changed(scene: str | SceneFiles, content: str, moment: int) -> bool:
    """Return whether a scene's files hold something else than at a moment, in nanoseconds.

    Args:
        content: As `content_of` returned it then.
    """
    files = map(local_file, _names_of(scene))
    if not any(changed_after(file, moment) for file in files if file is not None):
        return False
    return content_of(scene) != content


def _names_of(scene: str | SceneFiles) -> list[str]:
    """Return the files and addresses of a scene, then those that VRTs among them are made of."""
    names = scene.files if isinstance(scene, SceneFiles) else (scene,)
    files = filter(None, map(local_file, names))
    return [*names, *(str(item) for file in files for item in files_behind(file))]


def local_file(name: str) -> Path | None:
    """Return the file of a name; none where it is an address, or a name that no file can have."""
    try:
        return Path(name) if Path(name).is_file() else None
    except OSError:
        return None
