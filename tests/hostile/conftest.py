"""A run for all tests of input that is broken or means harm.

Such input is refused in one message, without running, hanging or growing. Byte-level mutations of
whole files are in `test_torture.py`, and by the thousand in `make torture`.
"""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run(decoded: Path, tmp_path: Path) -> Path:
    """A copy of a run whose first stage is decoded."""
    return Path(shutil.copytree(decoded, tmp_path / "run"))
