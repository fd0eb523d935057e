"""The rooms of the code: imports go only down the list of docs/architecture.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_imports_go_only_down_the_list_of_rooms() -> None:
    table = (ROOT / "docs/architecture.md").read_text()
    rooms = re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)
    folders = {
        path.name for path in (ROOT / "dnas_cli").iterdir() if (path / "__init__.py").exists()
    }
    assert set(rooms) == folders
    wrong = []
    for path in (ROOT / "dnas_cli").rglob("*.py"):
        room = path.parent.name
        below = rooms[rooms.index(room) :] if room in rooms else []  # the base is below them all
        if path.name in ("app.py", "__main__.py"):
            continue  # the way in
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dnas_cli."):
                other = str(node.module).split(".")[1]
                if other in rooms and other not in below:
                    wrong.append(f"{path.relative_to(ROOT)} imports {node.module}")
    assert not wrong
