"""Changes of files that fail one by one, and power cuts: what was not flushed is lost.

A small library that is loaded before all others (`failing_calls.c`) stands between the process and
the system. It needs Linux and a C compiler.
"""

import ctypes
import errno
import filecmp
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "failing_calls.so"

_SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class Fault:
    """What happens to the changes of files in a folder.

    Attributes:
        folder: Changes elsewhere are left alone.
        call: The number of the failing call, from 1; 0 for none.
        reason: Its error.
        lasting: Whether all later calls fail as well, as on a disk that stays full.
        cut: The number of the call at which the power is cut; 0 for never.
        store: Where to keep what was flushed.
        names: Where to list the calls, a name and a path per line.
    """

    folder: Path
    call: int = 0
    reason: int = errno.ENOSPC
    lasting: bool = False
    cut: int = 0
    store: Path | None = None
    names: Path | None = None

    def begin(self) -> None:
        """Let it happen to this process from now on."""
        store, names = (os.fsencode(path) if path else b"" for path in (self.store, self.names))
        where = os.fsencode(self.folder.resolve())
        _library().calls_fail(where, self.call, self.reason, self.lasting, self.cut, store, names)

    def __str__(self) -> str:
        if self.cut:
            return f"power cut at call {self.cut}"
        name = errno.errorcode[self.reason] + (" from then on" if self.lasting else "")
        return f"{name} at call {self.call}"


def calls_seen() -> int:
    """Return how many changes the process has made to the folder."""
    return int(_library().calls_seen())


def can_be_loaded() -> bool:
    """Return whether calls can be made to fail on this machine."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def is_loaded() -> bool:
    """Return whether the library stands between this process and the system."""
    return hasattr(_library(), "calls_fail")


def load_and_run_again(folder: Path, module: str, arguments: list[str]) -> None:
    """Replace this process by itself with the library loaded."""
    library = folder / LIBRARY
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    if hasattr(library, "calls_fail"):
        text, number, flag = ctypes.c_char_p, ctypes.c_long, ctypes.c_int
        library.calls_fail.argtypes = (text, number, flag, flag, number, text, text)
        library.calls_seen.restype = number
    return library


class PowerCut:
    """A folder that loses what was not flushed.

    Files and folders count as flushed when a test begins with them.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir()
        self.folder, self.store = folder, store
        for path in [folder, *folder.rglob("*")]:
            kind, number = "d" if path.is_dir() else "f", path.stat().st_ino
            place = store / f"{kind}-{number}"
            if kind == "d":
                place.write_bytes(b"".join(map(_entry, path.iterdir())))
            elif _immutable(path):
                os.link(path, place)
            else:
                shutil.copy2(path, place)

    def happen(self, rng: random.Random) -> str:
        """Replace the folder by what is left of it; return how much of it was lost.

        Either everything that was not flushed is lost, or content alone is, or each file and each
        folder is one or the other.
        """
        kind = rng.choice(("all", "content", "some"))
        chance = {"all": (1.0, 1.0), "content": (0.0, 1.0), "some": (0.5, 0.5)}[kind]
        places = {path.stat().st_ino: path for path in [self.folder, *self.folder.rglob("*")]}
        left = self.folder.with_name(self.folder.name + ".left")
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
        # Files that lose nothing stay as they are, with all their times.
        stays = {self.folder}
        self._lose(self.folder.stat().st_ino, Path(), chance, rng, places, left, stays)
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path not in stays:
                path.rmdir() if path.is_dir() else path.unlink()
        shutil.copytree(left, self.folder, dirs_exist_ok=True)
        shutil.rmtree(left)
        return kind

    def _lose(
        self,
        number: int,
        inside: Path,
        chance: tuple[float, float],
        rng: random.Random,
        places: dict[int, Path],
        left: Path,
        stays: set[Path],
    ) -> None:
        """Note what stays of a folder as it is, and write what else is left of it below `left`."""
        flushed, now = self.store / f"d-{number}", places.get(number)
        if now is not None and rng.random() >= chance[0]:
            content = b"".join(map(_entry, now.iterdir()))
        else:
            content = flushed.read_bytes() if flushed.exists() else b""
        for entry in filter(None, content.split(b"\0")):
            own, name = entry[1:].split(b" ", 1)
            path = inside / os.fsdecode(name)
            kept, there = self.store / f"f-{int(own)}", places.get(int(own))
            if entry[:1] == b"d":
                if there == self.folder / path:
                    stays.add(there)
                (left / path).mkdir()
                self._lose(int(own), path, chance, rng, places, left, stays)
            elif there is not None and (
                rng.random() >= chance[1] or (kept.exists() and _same(kept, there))
            ):
                if there == self.folder / path:
                    stays.add(there)
                else:
                    shutil.copy2(there, left / path)
            elif kept.exists():
                shutil.copy2(kept, left / path)
            else:
                (left / path).touch()  # it has a name, and its content was never written


def _same(flushed: Path, now: Path) -> bool:
    return filecmp.cmp(flushed, now, shallow=False)


def _immutable(path: Path) -> bool:
    return path.suffix in (".pt", ".tif")  # replaced whole: the first content stays


def _entry(path: Path) -> bytes:
    kind = b"d" if path.is_dir() else b"f"
    return kind + str(path.stat().st_ino).encode() + b" " + os.fsencode(path.name) + b"\0"
