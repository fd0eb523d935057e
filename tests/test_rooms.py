"""The rooms of the code: `docs/architecture.md` says what each may import, and the code obeys."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dnas_cli"
ROWS = re.findall(
    r"^\| `(\w+)(?:/|\.py)` \|[^|]*\|([^|]*)\|$",
    (ROOT / "docs/architecture.md").read_text(),
    re.MULTILINE,
)
ROOMS = [room for room, _ in ROWS]
NEVER = {
    "torch": ("torch",),
    "rasters": ("rasterio", "PIL", "cv2"),
    "files": ("pathlib", "os", "shutil", "dnas_cli.files", "dnas_cli.json_files"),
    "training": ("dnas_cli.training",),
    "tiles": ("dnas_cli.tiles",),
    "run directories": ("dnas_cli.run.directory", "dnas_cli.run.branch", "dnas_cli.run.lock"),
}
"""What a word of the last column means for imports; `loops over data` is checked by itself."""


def test_every_room_is_in_the_table_and_every_row_is_a_room() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {room for room in ROOMS if not (PACKAGE / f"{room}.py").exists()} == folders


def test_imports_go_only_down_the_list_of_rooms() -> None:
    wrong = []
    for path, room in _modules():
        below = ROOMS[ROOMS.index(room) :] if room in ROOMS else []  # the base is below them all
        wrong += [
            f"{path} imports {module}"
            for module in _imports(path)
            if module.startswith("dnas_cli.")
            and module.split(".")[1] in ROOMS
            and module.split(".")[1] not in below
        ]
    assert not wrong


def test_no_room_imports_what_the_last_column_rules_out() -> None:
    wrong = []
    for path, room in _modules():
        words = dict(ROWS).get(room, "").strip()
        for word in filter(None, map(str.strip, words.split(","))):
            if word == "loops over data":
                continue
            wrong += [
                f"{path} ({word}) imports {module}"
                for module in _imports(path)
                if any(module == ruled or module.startswith(f"{ruled}.") for ruled in NEVER[word])
            ]
    assert not wrong


def test_commands_do_not_loop_over_data() -> None:
    wrong = []
    # What makes options of fields is no subcommand.
    for path in set((PACKAGE / "commands").glob("*.py")) - {PACKAGE / "commands/field_options.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.For | ast.While):
                body = [child for statement in node.body for child in ast.walk(statement)]
                calls = [child.func for child in body if isinstance(child, ast.Call)]
                names = {ast.unparse(call) for call in calls}
                if not names <= {"print", "str"}:  # a loop that prints a result's lines is fine
                    wrong.append(f"{path.name}:{node.lineno} calls {', '.join(sorted(names))}")
    assert not wrong


def test_messages_of_rooms_name_parameters_and_only_commands_to_run_have_dashes() -> None:
    wrong = []
    for path, room in _modules():
        for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
            if not isinstance(node, ast.Call) or room in ("commands", "demo", "export"):
                continue
            called = ast.unparse(node.func)
            if called.endswith("Error") or called.startswith("logger."):
                texts = [
                    part.value
                    for argument in [*node.args, *(item.value for item in node.keywords)]
                    for part in ast.walk(argument)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                if re.search(r"--[a-z]", " ".join(texts)) and not re.search(
                    r"\bdnas [a-z]|shm-size|gdalwarp", " ".join(texts)
                ):
                    wrong.append(f"{path}:{node.lineno} {texts}")
    assert not wrong


def test_rasters_are_opened_in_scenes_and_drawn_in_report_and_demo_alone() -> None:
    wrong = [
        f"{path} imports {module}"
        for path, room in _modules()
        for module in _imports(path)
        if module.split(".")[0] in NEVER["rasters"] and room not in ("scenes", "report", "demo")
    ]
    assert not wrong


def _modules() -> Iterator[tuple[Path, str]]:
    """Yield every module of the package with its room; the way in imports what it likes."""
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        room = inside.stem if len(inside.parts) == 1 else inside.parts[0]
        if room not in ("app", "__main__", "__init__"):
            yield path, room


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
