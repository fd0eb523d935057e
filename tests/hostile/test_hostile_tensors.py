"""Files of tensors that would become far more than they are: refused before they do."""

import io
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dnas_cli.errors import DataError
from dnas_cli.model.pickle_bounds import find_excess
from dnas_cli.release1.checkpoint import load_release1
from tests.support.command_line import dnas
from tests.support.small_models import write_model


def _shared(levels: int, width: int) -> list[Any]:
    """Return lists of lists that name the same ones over and over: width ** levels values."""
    value: list[Any] = [0]
    for _ in range(levels):
        value = [value] * width
    return value


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _circle() -> list[Any]:
    value: list[Any] = []
    value.append({"again": value})
    return value


def _views(whole: torch.Tensor) -> list[torch.Tensor]:
    return [whole[k:] for k in range(100)]


EXCESS: dict[str, Callable[[], Any]] = {
    "shared": lambda: _shared(9, 1000),
    "shared text": lambda: ["x" * 1_000_000] * 1_000,
    "deep": lambda: _deep(200),
    "circle": _circle,
    "expanded": lambda: torch.zeros(1).expand(1 << 20, 1 << 20),
    "repeated": lambda: _views(torch.zeros(1 << 20)),
}


@pytest.mark.parametrize("kind", list(EXCESS))
@pytest.mark.parametrize("command", ["info", "predict"])
def test_a_small_file_that_would_become_huge_is_refused_at_once(
    tmp_path: Path, kind: str, command: str
) -> None:
    path = tmp_path / "model.pt"
    content = torch.load(write_model(path), weights_only=True)
    content["facts"]["provenance"] = {"x": EXCESS[kind]()}
    torch.save(content, path)
    arguments: tuple[object, ...] = {
        "info": (path,),
        "predict": (path, tmp_path / "scene.tif", "--out", tmp_path / "map.tif"),
    }[command]
    began = time.process_time()
    message = dnas(command, *arguments, code=4).stderr
    assert "is not loaded: " in message
    assert time.process_time() - began < 20  # it would be hours


def test_a_compressed_checkpoint_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    plain, path = io.BytesIO(), tmp_path / "best.pth.tar"
    torch.save({"state_dict": {"x": torch.zeros(50_000_000)}}, plain)
    with (
        zipfile.ZipFile(plain) as archive,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in archive.infolist():
            packed.writestr(part.filename, archive.read(part))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match="compressed"):
        load_release1(path)


@pytest.mark.parametrize("kind", list(EXCESS))
def test_a_checkpoint_of_the_first_release_is_bounded_as_well(tmp_path: Path, kind: str) -> None:
    torch.save({"state_dict": {"x": EXCESS[kind]()}}, tmp_path / "best.pth.tar")
    with pytest.raises(DataError, match="is not loaded: "):
        load_release1(tmp_path / "best.pth.tar")


@pytest.mark.parametrize("kind", ["shared", "deep", "circle"])
def test_files_of_before_pytorch_1_6_are_bounded_as_well(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "old.pth.tar"
    torch.save({"state_dict": EXCESS[kind]()}, path, _use_new_zipfile_serialization=False)
    assert find_excess(path)


def test_a_call_that_asks_for_more_bytes_than_the_file_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.pt"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return bytearray, (1 << 40,)

    path.write_bytes(pickle.dumps(Bomb(), protocol=2))
    assert find_excess(path) == "a part is larger than the file"


def test_a_part_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.pt")
    with zipfile.ZipFile(path, "a") as archive:
        name = next(item for item in archive.namelist() if item.endswith("data.pkl"))
        content = archive.read(name)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(name, content)
    assert "twice" in dnas("info", path, code=4).stderr


def test_ordinary_files_are_not_refused(tmp_path: Path) -> None:
    assert find_excess(write_model(tmp_path / "model.pt")) == ""
    network = torch.nn.Linear(100, 100)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 100)).sum().backward()
    optimizer.step()
    content = {"state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}
    for new in (True, False):
        torch.save(content, tmp_path / "x.pth.tar", _use_new_zipfile_serialization=new)
        assert find_excess(tmp_path / "x.pth.tar") == ""
