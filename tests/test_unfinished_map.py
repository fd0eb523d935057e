"""The rows that are finished, while the map is not."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnas_cli import file_lock
from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.mapping.blending import MapRows
from dnas_cli.mapping.unfinished_map import UnfinishedMap, part_folder


def _rows(row: int, height: int) -> MapRows:
    classes = np.full((height, 5), row, np.uint8)
    return MapRows(row, classes, classes, np.stack([classes, classes + 1]))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "map.tif"


def test_rows_survive_and_are_continued(target: Path) -> None:
    with UnfinishedMap(target, {"a": 1}, 6, 5, {"confidence": 1, "probabilities": 2}) as part:
        part.append(_rows(0, 4))
    with UnfinishedMap(target, {"a": 1}, 6, 5, {"confidence": 1, "probabilities": 2}) as part:
        assert part.rows == 4
        part.append(_rows(4, 2))
        assert part.finished().read(0, 6)[0, :, 0].tolist() == [0, 0, 0, 0, 4, 4]
        assert part.finished("probabilities").read(3, 6)[:, 2, 2].tolist() == [4, 5]
        assert part.finished("confidence").read(1, 3).shape == (1, 2, 5)
        part.discard()
    assert not part_folder(target).exists()


def test_other_settings_start_over(target: Path) -> None:
    with UnfinishedMap(target, {"a": 1}, 6, 5, {}) as part:
        part.append(_rows(0, 4))
    with UnfinishedMap(target, {"a": 2}, 6, 5, {}) as part:
        assert part.rows == 0


def test_bytes_that_were_written_but_not_counted_are_dropped(target: Path) -> None:
    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        part.append(_rows(0, 2))
    with (part_folder(target) / "classes.raw").open("ab") as file:
        file.write(b"half a ro")
    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        part.append(_rows(2, 4))
        assert part.finished().read(0, 6)[0, :, 0].tolist() == [0, 0, 2, 2, 2, 2]


def test_killed_while_finished_work_is_removed_the_next_work_starts_over(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        part.append(_rows(0, 6))
        monkeypatch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            part.discard()
    monkeypatch.undo()
    assert not part_folder(target).exists()
    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        assert part.rows == 0
        part.discard()
    assert list(target.parent.iterdir()) == []


def test_a_folder_that_another_process_removes_meanwhile_is_made_again(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = list[Path]()

    def locked(path: Path, **kind: Any) -> Any:
        times.append(path)
        if len(times) == 1:
            shutil.rmtree(path.parent)
        return file_lock.locked(path, **kind)

    monkeypatch.setattr("dnas_cli.mapping.unfinished_map.locked", locked)
    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        part.append(_rows(0, 6))
    assert len(times) == 2


@pytest.mark.parametrize("damage", ["", "{}", '{"rows": 4', '{"rows": 99, "key": {}}'])
def test_a_damaged_state_starts_over(target: Path, damage: str) -> None:
    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        part.append(_rows(0, 2))
    (part_folder(target) / "state.json").write_text(damage)
    with UnfinishedMap(target, {}, 6, 5, {}) as part:
        assert part.rows == 0


def test_two_processes_cannot_write_one_map(target: Path) -> None:
    with (
        UnfinishedMap(target, {}, 6, 5, {}),
        pytest.raises(RunStateError, match="another process"),
        UnfinishedMap(target, {}, 6, 5, {}),
    ):
        pass


def test_a_full_disk_is_noticed_before_the_work(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with (
        pytest.raises(DnasError, match="are free"),
        UnfinishedMap(target, {}, 6, 5, {}),
    ):
        pass
