"""What a person reads: tables and lines that fit 80 columns, with names as they are."""

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.space.assumed import assumed_architecture, assumed_connections, assumed_path
from tests.support.command_line import dnas

CLASSES = [f"class of land number {number}" for number in range(11)] + [
    "[bold]", "[red]earth[/red]", ":smile:", "a class whose name is longer than any terminal " * 3,
]  # fmt: skip


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tile set of 15 classes, some with names that a table could take for markup."""
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / "data" / kind).mkdir(parents=True)
    for number in range(6):
        image = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"data/images/{number}.png")
        label = rng.integers(0, len(CLASSES), (64, 64), dtype=np.uint8)
        Image.fromarray(label).save(folder / f"data/labels/{number}.png")
    names = "".join(f"  - {name.strip()!r}\n" for name in CLASSES)
    (folder / "set.yaml").write_text(f"label_kind: index\nclasses:\n{names}")
    dnas("tile", folder / "data", "--dataset", folder / "set.yaml", "--size", 32)
    return folder / "data-tiles"


def _rows(shown: str) -> list[str]:
    """Return the lines of all tables, which fit 80 columns (and the blanks that indent them)."""
    rows: list[str] = []
    for part in shown.split("\n\n"):
        ruled = [number for number, line in enumerate(part.splitlines()) if "──" in line]
        rows += part.splitlines()[max(ruled[0] - 1, 0) :] if ruled else []
    rows = [row for row in rows if not row.startswith("/")]  # files, named below a table
    assert rows
    assert max(len(row.strip()) for row in rows) <= 80
    return rows


def _has_all_classes(rows: list[str]) -> bool:
    """Whether there is a row for every class, as it is called; the last one's name is wrapped."""
    starts = [re.split(r"\s{2,}", row.strip())[0] for row in rows]
    return all(starts.count(name) == 1 for name in CLASSES[:-1])


def test_splits_are_columns_and_classes_rows(tiles: Path) -> None:
    source = tiles.parent / "data"
    command = ("tile", source, "--dataset", tiles.parent / "set.yaml", "--size", 32)
    for rows in (_rows(dnas(*command).stdout), _rows(dnas("info", tiles).stdout)):
        assert _has_all_classes(rows)


def test_the_state_and_the_scores_of_a_run_fit(tiles: Path, tmp_path: Path) -> None:
    run, coding = tmp_path / "run", tmp_path / "architecture.json"
    assumed_architecture(assumed_connections(assumed_path(2))).write(coding)
    dnas(
        "retrain", run, "--architecture", coding, "--data", tiles, "--width", 2, "--epochs", 1,
        "--device", "cpu",
    )  # fmt: skip
    assert "retraining" in "".join(_rows(dnas("status", run).stdout))
    scores = _rows(dnas("eval", run, "--cost", "--device", "cpu").stdout)
    assert _has_all_classes(scores)
    assert any("mIoU" in row for row in scores)


def test_messages_break_between_words_on_a_terminal(tmp_path: Path) -> None:
    columns = 40
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    missing = tmp_path / "a-folder-that-does-not-exist"
    command = [sys.executable, "-m", "dnas_cli", "search", str(missing), "--stage", "2"]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=its, check=False)
    os.close(its)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    lines = shown.splitlines()
    assert str(missing) in shown
    assert all(len(line) <= columns or len(line.split()) == 1 for line in lines)
    plain = dnas("search", missing, "--stage", 2, code=4).stderr
    assert " ".join(shown.split()) == " ".join(plain.split())
