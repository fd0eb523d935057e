"""A run for all tests of input that is broken or means harm.

Such input is refused in one message, without running, hanging or growing. Byte-level mutations of
whole files are in `test_torture.py`, and by the thousand in `make torture`.
"""

import shutil
from pathlib import Path

import pytest

from tests.support.command_line import dnas
from tests.support.small_runs import first_search


@pytest.fixture(scope="session")
def searched(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage is decoded."""
    run = tmp_path_factory.mktemp("searched") / "run"
    dnas(*first_search(run, tiny_tiles))
    dnas("decode", run, "--stage", 1)
    return run


@pytest.fixture
def run(searched: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(searched, tmp_path / "run"))
