"""What commands run, ask and write: only what the user asked for."""

import ast
import os
import re
import socket
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import dnas, start_interpreter
from tests.support.small_models import write_model
from tests.support.small_scenes import make_gid, write_raster

ROOT = Path(__file__).resolve().parents[2]


def _calls() -> list[tuple[str, ast.Call]]:
    return [
        (ast.unparse(node.func), node)
        for path in (ROOT / "dnas_cli").rglob("*.py")
        if path.parent.name != "demo"  # which runs `dnas`
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]


def test_the_package_runs_nothing_that_a_file_says() -> None:
    calls = _calls()
    names = {name for name, _ in calls}
    assert not names & {"eval", "exec", "compile", "pickle.load", "pickle.loads", "yaml.load_all"}
    assert not {
        name for name in names if re.match(r"(subprocess|os\.(system|exec|popen|spawn))", name)
    }
    loads = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
    for name, (keyword, value) in loads.items():
        found = [call for called, call in calls if called == name]
        assert found
        for call in found:
            given = {item.arg: item.value for item in call.keywords}
            assert isinstance(given[keyword], ast.Constant)
            assert given[keyword].value is value  # type: ignore[attr-defined]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of three bands, and a scene for it."""
    values = np.random.default_rng(0).integers(0, 255, (3, 40, 40)).astype(np.uint8)
    write_raster(tmp_path / "scene.tif", values)
    return write_model(tmp_path / "model.pt", tile_size=32)


def test_commands_open_no_connection(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    dnas("tile", make_gid(tmp_path / "gid5", scenes=3), "--size", 64)
    dnas("encode", tmp_path / "run", "--stage", 1, "--data", tmp_path / "gid5-tiles")
    dnas("status", tmp_path / "run")
    dnas("info", model)
    dnas("predict", model, tmp_path / "scene.tif", "--out", tmp_path / "map.tif")
    dnas("suggest", model, tmp_path / "scene.tif", "--out", tmp_path / "todo.csv")
    dnas("export", model, "--card", tmp_path / "card.md", "--stac", tmp_path / "item.json")
    dnas("report", tmp_path / "run")


def test_a_command_writes_only_where_it_is_asked_to(model: Path, tmp_path: Path) -> None:
    for name in ("home", "here", "temporary"):
        (tmp_path / name).mkdir()
    places = {"HOME": tmp_path / "home", "TMPDIR": tmp_path / "temporary"}
    process = start_interpreter(
        "predict", model, tmp_path / "scene.tif", "--out", tmp_path / "out/map.tif",
        env={**os.environ, **{name: str(path) for name, path in places.items()}},
        cwd=tmp_path / "here",
    )  # fmt: skip
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    for name in ("home", "here", "temporary"):
        assert list((tmp_path / name).rglob("*")) == []
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"map.tif", "map.tif.aux.xml", "map.qml"}


def test_the_page_lists_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["gis"], *extras["onnx"], *extras["tensorboard"]]
    page = (ROOT / "docs/security.md").read_text().split("## Dependencies")[1]
    listed = set(re.findall(r"`([\w-]+)`", page.split("`constraints.txt`")[0]))
    assert {re.split(r"[<>=~\[]", item)[0] for item in wanted} <= listed
