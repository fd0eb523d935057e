"""What the pickles of old checkpoints may hold, and that no other runs."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnas_cli.release1.checkpoint import load_release1
from tests.support.command_line import dnas
from tests.support.importing import refused_model
from tests.support.release1_files import rename_in_pickle, write_checkpoint


@pytest.mark.parametrize("number", [np.float64(0.75), np.float32(0.75), 0.75, torch.tensor(0.75)])
@pytest.mark.parametrize("legacy", [False, True])
def test_best_pred_may_be_any_number_in_any_file_format(
    number: Any, legacy: bool, tmp_path: Path
) -> None:
    path = tmp_path / "c.pth.tar"
    write_checkpoint(path, {"a": torch.ones(1)}, legacy, best_pred=number)
    read = load_release1(path)
    assert (read.best, read.epoch) == (0.75, 38)


def test_a_best_figure_that_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    path = write_checkpoint(
        tmp_path / "c.pth.tar", {"a": torch.ones(1)}, best_pred=np.float64("nan")
    )
    assert load_release1(path).best is None


def test_numbers_of_numpy_1_are_read_as_well(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c.pth.tar", {"a": torch.ones(1)})
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    if np.__version__.startswith("1."):
        new, old = old, new
    rename_in_pickle(path, new, old)
    assert load_release1(path).best == 0.75


class _Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self._path}'",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("where", ["best_pred", "state_dict", "alphas"])
def test_a_pickle_bomb_is_refused_by_name_and_does_not_go_off(
    legacy: bool, where: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    write_checkpoint(files[2], {"a": torch.ones(1)}, legacy, **{where: _Bomb(touched)})
    before = files[2].read_bytes()
    message = refused_model(files, tmp_path)
    assert f"{os.system.__module__}.system" in message
    assert not touched.exists()
    assert files[2].read_bytes() == before


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_bomb_is_refused_by_name_too(
    protocol: int, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    content = {"epoch": 1, "best_pred": _Bomb(touched), "state_dict": _Bomb(touched)}
    files[2].write_bytes(pickle.dumps(content, protocol))
    assert f"asks to run code: {os.system.__module__}.system;" in refused_model(files, tmp_path)
    assert not touched.exists()


def test_numpy_arrays_and_odd_scalars_are_refused_by_name(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "c.pth.tar", {}, best_pred=np.ones(3))
    message = dnas("import", path, "--run", tmp_path / "run", code=4).stderr
    assert "multiarray._reconstruct" in message
    path = write_checkpoint(tmp_path / "d.pth.tar", {}, best_pred=np.datetime64("2020-01-01"))
    dnas("import", path, "--run", tmp_path / "run", code=4)


def test_an_array_of_objects_is_not_unpickled(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    np.save(files[0], np.array([_Bomb(tmp_path / "touched")], object), allow_pickle=True)
    assert "damaged or holds more" in refused_model(files, tmp_path)
    assert not (tmp_path / "touched").exists()
