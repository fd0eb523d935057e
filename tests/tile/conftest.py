"""A small tile set for all tests of tile sets."""

import shutil
from pathlib import Path

import pytest

from tests.support.command_line import dnas
from tests.support.small_scenes import make_gid


@pytest.fixture(scope="session")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tile set with three scenes, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("cut")
    dnas("tile", make_gid(folder / "gid5", scenes=3), "--size", 64)
    return folder / "gid5-tiles"


@pytest.fixture
def tiles(cut: Path, tmp_path: Path) -> Path:
    """A copy of the tile set, to be spoilt."""
    return Path(shutil.copytree(cut, tmp_path / "tiles"))
