"""Fixtures every test can use."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery; tests that need it skip where it is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real imagery is not on this machine")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference values; tests that need it skip where it is missing."""
    folder = SHARED / "golden"
    if not folder.is_dir():
        pytest.skip("golden values are not on this machine")
    return folder


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command line in this process."""
    return CliRunner()
