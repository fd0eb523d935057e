"""What commands run, ask and write: only what the user asked for."""

import ast
import re
import shutil
import signal
import sys
import tomllib
from importlib.metadata import distributions, metadata
from itertools import chain
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from dnas_cli.app import app
from dnas_cli.yaml_files import _StrictLoader
from tests.support.command_line import dnas, start
from tests.support.confined import READS_ELSEWHERE, can_refuse_sockets

ROOT = Path(__file__).resolve().parents[2]


def _dotted(node: ast.expr) -> str:
    """Return a name such as `yaml.load`; `.load` of what has none."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _calls() -> list[tuple[str, ast.Call]]:
    return [
        (_dotted(node.func), node)
        for path in (ROOT / "dnas_cli").rglob("*.py")
        if path.parent.name != "demo"  # which runs `dnas`
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]


def test_the_package_runs_nothing_that_a_file_says() -> None:
    calls = _calls()
    names = {name for name, _ in calls}
    readers = {"eval", "exec", "compile", "__import__", "open_code"}
    assert not names & readers
    unsafe = r"(\w+\.)*(c?pickle|dill|cloudpickle|marshal|shelve|joblib|runpy|yaml)\.\w+"
    assert {name for name in names if re.fullmatch(unsafe, name, re.IGNORECASE)} == {
        "pickle.UnpicklingError", "yaml.YAMLError", "yaml.load",
    }  # fmt: skip
    assert not {
        name for name in names if re.match(r"(subprocess|os\.(system|exec|popen|spawn))", name)
    }
    (strict,) = (call for name, call in calls if name == "yaml.load")
    assert ast.unparse(strict.keywords[0]) == "Loader=_StrictLoader"
    assert issubclass(_StrictLoader, yaml.SafeLoader)
    loads = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
    for name, (keyword, value) in loads.items():
        found = [call for called, call in calls if called == name]
        assert found
        for call in found:
            given = {item.arg: item.value for item in call.keywords}
            assert isinstance(given[keyword], ast.Constant)
            assert given[keyword].value is value  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def world(
    tiny_scenes: Path, tiny_tiles: Path, searched: Path, trained: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """Everything that commands read, in a folder of their own."""
    root = tmp_path_factory.mktemp("world")
    copies = {"scenes": tiny_scenes, "tiles": tiny_tiles, "first": searched, "second": searched,
              "run": trained}  # fmt: skip
    for name, folder in copies.items():
        shutil.copytree(folder, root / name)
    for name in ("first", "second", "run"):
        dnas("status", root / name, "--data", root / "tiles")
    model, scene = root / "model.pt", root / "scene.tif"
    shutil.copy(min((root / "scenes").glob("image*/*.tif")), scene)
    shutil.copy(root / "run/model.pt", model)
    for name in ("old.tif", "new.tif"):
        dnas("predict", model, scene, "--out", root / name)
    for name in ("home", "here", "temporary"):
        (root / name).mkdir()
    return root


def _state(root: Path) -> dict[Path, tuple[int, ...]]:
    """Return all files below a folder, with what changes when one is written."""
    files = {path: path.lstat() for path in root.rglob("*") if not path.is_dir()}
    return {path: (item.st_ino, item.st_size, item.st_mtime_ns) for path, item in files.items()}


# A command with its arguments, and what it may write. `OUT` is a folder that is not there yet.
COMMANDS = (
    ("tile IN/scenes --size 32 --out OUT", "OUT"),
    ("encode OUT --stage 1 --data IN/tiles --layers 3", "OUT"),
    ("search IN/first --stage 1 --extend 1 --device cpu", "first"),
    ("decode IN/first --stage 1", "first"),
    ("retrain IN/run --extend 1 --device cpu", "run"),
    ("run IN/second --until 1 --device cpu", "second"),
    ("baseline IN/run --random 1 --seeds 1 --device cpu", "run"),
    ("measure IN/run --head 8 --device cpu", "run"),
    ("eval IN/run --split val --device cpu", "run"),
    ("eval IN/model.pt IN/tiles --out OUT/eval.json", "OUT"),
    ("eval IN/model.pt IN/tiles --source IN/scenes --maps OUT --out OUT/eval.json", "OUT"),
    (
        "predict IN/model.pt IN/scene.tif --out OUT/map.tif --out OUT/map.gpkg --out OUT/map.png",
        "OUT",
    ),
    ("predict IN/model.pt IN/scene.tif --out OUT/m.tif --areas OUT/a.csv --stac OUT/m.json", "OUT"),
    ("change IN/old.tif IN/new.tif --out OUT/c.tif --table OUT/c.csv", "OUT"),
    ("suggest IN/model.pt IN/scene.tif --out OUT/todo.gpkg --tiles 3", "OUT"),
    ("status IN/run", ""),
    ("status IN/run --data IN/tiles", "run/run.json"),
    ("report IN/run", "run/report.html"),  # of a run that is scored on its validation split alone
    ("info IN/model.pt", ""),
    ("info IN/tiles", ""),
    ("info IN/run --svg OUT/run.svg", "OUT"),
    ("import GOLD/third_connect.npy GOLD/cell_operations.npy --out OUT/a.json", "OUT"),
    ("export IN/model.pt --card OUT/card.md --stac OUT/item.json", "OUT"),
    ("export-coding IN/run --out OUT", "OUT"),
)


@pytest.mark.parametrize(("command", "written"), COMMANDS)
def test_a_command_reads_writes_and_reaches_what_the_page_says(
    command: str, written: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It ends if it opens a socket of the Internet, in any library or process, or a strange file.

    Python's opening of files is watched; what GDAL opens is in `test_hostile_rasters.py`.
    """
    monkeypatch.chdir(world / "here")
    monkeypatch.setenv("HOME", str(world / "home"))
    monkeypatch.setenv("TMPDIR", str(world / "temporary"))
    out = world / "out" / tmp_path.name
    places = {"IN": world, "OUT": out, "GOLD": ROOT / "tests/golden/published/L12"}
    arguments = [re.sub("^(IN|OUT|GOLD)", lambda m: str(places[m[0]]), w) for w in command.split()]
    readable = (str(world), str(ROOT), sys.prefix, sys.base_prefix, "/proc/", "/sys/", "/dev/",
                "/usr/")  # fmt: skip
    limits = f"confine({readable!r}, sockets={not can_refuse_sockets()})"
    before = _state(world)
    process = start(*arguments, before=f"from confined import confine\n{limits}")
    output, errors = process.communicate()
    assert process.returncode == 0, output + errors
    after = _state(world)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    allowed = out if written == "OUT" else world / (written or "nothing")
    fonts = world / "home/.cache/matplotlib"
    changed = {path for path in changed if not path.is_relative_to(fonts)}
    assert [path for path in changed if not path.is_relative_to(allowed)] == []
    assert bool(changed) == bool(written)


def test_every_command_is_confined_and_in_the_table_of_the_page() -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    runs_the_others = {"demo"}
    assert {command.split()[0] for command, _ in COMMANDS} == known - runs_the_others
    table = (ROOT / "docs/security.md").read_text().split("## What commands")[1].split("## ")[0]
    first = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([\w-]+)`", first)) == known


def test_whoever_opens_a_socket_or_a_strange_file_is_ended() -> None:
    if not can_refuse_sockets():
        pytest.skip("this system filters no calls")
    before = f"from confined import confine\nconfine([{sys.prefix!r}], sockets=False)\n"
    asked = start("--version", before=f"{before}import socket; socket.socket()")
    assert asked.wait() == -signal.SIGSYS
    read = start("--version", before=f"{before}open('/etc/hostname')")
    assert read.wait() == READS_ELSEWHERE


_FAMILIES = re.compile("0BSD|BSD|MIT|Apache|BSL|Zlib|CC0|Python")


def _licence(package: str) -> set[str]:
    """Return the families of the licences that an installed package states."""
    facts = metadata(package).json
    classes = [text for text in facts.get("classifier", ()) if text.startswith("License ::")]
    stated = facts.get("license_expression") or " ".join(classes)
    return set(_FAMILIES.findall(str(stated or str(facts.get("license")).splitlines()[0])))


def test_the_page_lists_every_dependency_and_its_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [items for name, items in project["optional-dependencies"].items() if name != "dev"]
    wanted = {re.split(r"[<>=~\[]", item)[0] for item in chain(project["dependencies"], *extras)}
    page = (ROOT / "docs/security.md").read_text().split("## Dependencies")[1]
    listed = dict[str, set[str]]()
    for row in re.findall(r"^\| (`.*) \| (.*) \|$", page, re.MULTILINE):
        families = set(_FAMILIES.findall(row[1]))
        listed |= dict.fromkeys(re.findall(r"`([\w-]+)`", row[0]), families)
    assert wanted == set(listed)
    installed = {item.name.lower() for item in distributions()}
    found = {name: _licence(name) for name in wanted if name in installed}
    assert len(found) > 15
    assert found == {name: listed[name] for name in found}
