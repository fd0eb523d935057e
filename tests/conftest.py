"""Fixtures every test can use."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

# Three tests run at a time, as some wait. Each has a thread, here and in processes that it starts.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import pytest

from dnas_cli.report import after_epoch
from tests.support.command_line import dnas
from tests.support.small_runs import RETRAIN, SEARCH, first_search

# Where a shell started them in the background they ignore Ctrl-C, and so would all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, so that no process is left with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def _undrawn_curves() -> Iterator[None]:
    """Draw no curves after epochs, which take as long as a small epoch; `test_run_page` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(after_epoch, "write_progress_picture", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery; tests that need it skip where it is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real imagery is not on this machine")
    return folder


@pytest.fixture(scope="session")
def first_release() -> Path:
    """The folder of the first release's whole values; tests that need it skip without it."""
    folder = SHARED / "golden"
    if not folder.is_dir():
        pytest.skip("the first release's whole values are not on this machine")
    return folder


@pytest.fixture(scope="session")
def tiny_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six synthetic scenes of 64 x 64 pixels in GID-5's layout."""
    from dnas_cli.demo.scenes import write_scenes

    folder = tmp_path_factory.mktemp("scenes") / "gid5"
    write_scenes(folder, 0, range(6), 64)
    return folder


@pytest.fixture(scope="session")
def tiny_tiles(tiny_scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tile set of 32-pixel tiles: 4 scenes to train on, 1 to validate, 1 to test."""
    folder = tmp_path_factory.mktemp("tiles") / "tiles"
    dnas("tile", tiny_scenes, "--out", folder, "--size", 32)
    return folder


@pytest.fixture(scope="session")
def searched(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage was searched without a break, for tests that change nothing."""
    run = tmp_path_factory.mktemp("searched") / "run"
    dnas(*first_search(run, tiny_tiles))
    return run


@pytest.fixture(scope="session")
def decoded(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with its first stage decoded, for tests that change nothing."""
    run = shutil.copytree(searched, tmp_path_factory.mktemp("decoded") / "run")
    dnas("decode", run, "--stage", 1)
    return run


@pytest.fixture(scope="session")
def designed(decoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run decoded to its architecture, for tests that change nothing."""
    run = shutil.copytree(decoded, tmp_path_factory.mktemp("designed") / "run")
    for stage in (2, 3):
        dnas("search", "--stage", stage, run, *SEARCH)  # options may come first
        dnas("decode", "--stage", stage, run)
    return run


@pytest.fixture(scope="session")
def trained(designed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run retrained, for tests that change nothing."""
    run = shutil.copytree(designed, tmp_path_factory.mktemp("trained") / "run")
    dnas("retrain", run, *RETRAIN)
    return run
