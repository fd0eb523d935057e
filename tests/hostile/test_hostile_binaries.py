"""Model files and rasters that are damaged, absurd or mean harm."""

import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from dnas_cli.errors import DataError
from dnas_cli.model.model_file import load_model
from tests.support.command_line import dnas
from tests.support.small_models import write_model


class _Touch:
    """Unpickles to a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_model_file_that_tries_to_run_code_does_not(run: Path, tmp_path: Path) -> None:
    mark, model = tmp_path / "mark", tmp_path / "model.pt"
    write_model(model)
    content = torch.load(model, weights_only=True)
    content["facts"]["provenance"]["more"] = _Touch(mark)
    torch.save(content, model)
    shutil.copy(model, run / "search/stage1/last.pt")
    shutil.copy(model, run / "model.pt")
    bare = tmp_path / "bare.pt"
    bare.write_bytes(pickle.dumps(_Touch(mark)))
    scene = tmp_path / "scene.png"
    scene.write_bytes(b"never read")
    for path in (model, bare, run / "model.pt"):
        dnas("predict", path, scene, "--out", tmp_path / "map.png", code=4)
        dnas("info", path, code=4)
    dnas("eval", model, tmp_path, code=4)
    said = dnas("search", run, "--stage", 1, "--extend", 1, code=4)
    assert "last.pt: is a model file, not a checkpoint" in said.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("width", 10**6),
        ("width", -2),
        ("tile_size", 10**12),
        ("dtype", "x" * 5000),
        ("dtype", "U5"),
        ("bands", ["\x1b[2J"] * 3),
        ("classes", [{"name": "a\nb", "colour": [0, 0, 0]}]),
        ("classes", [{"name": "a", "colour": [0, 0, 999]}]),
        ("normalisation", {"scale": float("nan"), "mean": [0.0] * 3, "std": [1.0] * 3}),
    ],
)
def test_a_model_with_absurd_facts_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    path = write_model(tmp_path / "model.pt")
    content = torch.load(path, weights_only=True)
    content["facts"][key] = value
    torch.save(content, path)
    with pytest.raises(DataError, match="not a valid model"):
        load_model(path, torch.device("cpu"))


def test_a_flipped_bit_in_a_model_is_noticed(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.pt")
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum"):
        load_model(path, torch.device("cpu"))


def test_a_raster_of_absurdly_many_bands_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    _absurd_tiff(path, 10, 10, bands=65_535)
    assert "65,535 bands" in dnas("info", path, code=4).stderr


def _absurd_tiff(path: Path, width: int, height: int, bands: int = 1) -> None:
    """Write a TIFF of one strip whose header claims a size."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8),
        (277, 3, bands), (278, 4, height), (279, 4, 100),
    ]  # fmt: skip
    body = struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        body += struct.pack("<HHII", tag, kind, 1, value)
    path.write_bytes(b"II*\0" + struct.pack("<I", 108) + bytes(100) + body + bytes(4))


@pytest.mark.parametrize("size", [(2_000_000_000, 2_000_000_000), (1, 2_000_000_000)])
def test_absurd_dimensions_in_a_header_take_no_memory(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    source = tmp_path / "source"
    for name in ("images", "labels"):
        (source / name).mkdir(parents=True)
        _absurd_tiff(source / name / "a.tif", *size)
    (source / "dataset.yaml").write_text("classes: {a: [0, 0, 0]}\n")
    said = "pixels, which no scene has"
    assert said in dnas("tile", source, "--out", tmp_path / "tiles", code=4).stderr
    model = write_model(tmp_path / "model.pt", ("grey",))
    scene = source / "images/a.tif"
    command = ("predict", model, scene, "--bands", "1", "--out", tmp_path / "map.png")
    assert said in dnas(*command, code=4).stderr
