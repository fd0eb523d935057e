"""Files of the first release for all tests of `dnas import`."""

from pathlib import Path

import pytest

from tests.support.release1_files import golden_state, write_checkpoint, write_codings


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The coding files and the checkpoint of the golden derived network."""
    checkpoint = write_checkpoint(tmp_path / "best.pth.tar", golden_state("retrain_L5"))
    return (*write_codings(tmp_path), checkpoint)
