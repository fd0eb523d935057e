"""Checkpoints are checked before they are relied on, and there is always one more."""

import io
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dnas_cli.training.checkpoint import random_state, set_random_state
from dnas_cli.training.losses import LOSSES
from dnas_cli.training.stage_files import Checkpoint, StageFiles
from tests.support.command_line import dnas, rows
from tests.support.same_bits import assert_same_stage, differences
from tests.support.small_runs import first_search


@pytest.fixture(scope="module")
def stopped(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped within its second epoch."""
    run, calls, right = tmp_path_factory.mktemp("stopped") / "run", 0, LOSSES["cross-entropy"]

    def loss(*tensors: torch.Tensor, **more: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return right(*tensors, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LOSSES, "cross-entropy", loss)
        dnas(*first_search(run, tiny_tiles, "--checkpoint-every", 0), code=130)
    return run


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the run that stopped."""
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip_a_bit(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2] ^= 4
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _flip_a_bit, _empty, Path.unlink])
def test_a_damaged_last_checkpoint_is_said_and_the_one_before_is_used(
    run: Path, searched: Path, damage: Callable[[Path], None]
) -> None:
    damage(run / "search/stage1/last.pt")
    result = dnas("search", run, "--stage", 1)
    assert "last.pt: " in result.stderr
    assert f"The previous one is used: {run / 'search/stage1/previous.pt'}" in result.stderr
    assert_same_stage(run / "search/stage1", searched / "search/stage1")


_written: list[str] | None = None  # files opened for writing, while somebody wants to know


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _written is not None and event == "open" and isinstance(arguments[2], int):
        path, _, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR) and isinstance(path, str | os.PathLike):
            _written.append(os.fspath(path))


sys.addaudithook(_note)


def test_every_file_of_a_run_is_written_beside_its_place_and_renamed(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, written = tmp_path / "run", list[str]()
    monkeypatch.setattr(sys.modules[__name__], "_written", written)
    dnas(*first_search(run, tiny_tiles))
    dnas("decode", run, "--stage", 1)
    names = {Path(name).name for name in written if name.startswith(str(run))}
    assert len(names) > 10
    in_place = {name for name in names if ".part" not in name}
    assert in_place == {"dnas.log", ".stage1.lock"}


@pytest.mark.parametrize(("minutes", "within"), [(0, [1, 2]), (1000, [])])
def test_training_saves_at_the_end_of_every_epoch_and_every_so_many_minutes(
    tiny_tiles: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    minutes: float,
    within: list[int],
) -> None:
    saved, right = [], StageFiles.save_last

    def save(self: StageFiles, content: Checkpoint) -> None:
        saved.append((content["position"]["epoch"], content["position"]["step"]))
        right(self, content)

    monkeypatch.setattr(StageFiles, "save_last", save)
    dnas(*first_search(tmp_path / "run", tiny_tiles, "--checkpoint-every", minutes))
    first, second = ([(epoch, step) for step in within] for epoch in (0, 1))
    assert saved == [(0, 0), *first, (1, 0), *second, (2, 0)]


def test_two_damaged_checkpoints_are_one_message_with_a_remedy(run: Path) -> None:
    _flip_a_bit(run / "search/stage1/last.pt")
    _truncate(run / "search/stage1/previous.pt")
    message = dnas("search", run, "--stage", 1, code=4).stderr
    assert "last.pt: is damaged" in message
    assert "checksum" in message
    assert "--restart and --overwrite" in message


def test_a_good_checkpoint_is_never_pushed_out_by_a_damaged_one(run: Path) -> None:
    files = StageFiles(run / "search/stage1")
    _flip_a_bit(files.last)
    content = files.load_last()
    assert content is not None
    files.save_last(content)
    assert StageFiles(files.folder).load_last() is not None
    _flip_a_bit(files.last)  # the one that was just written
    assert files.load_last() is not None


def test_what_a_killed_writer_left_is_removed(run: Path, searched: Path) -> None:
    (run / "search/stage1/.last.abc123.part.pt").write_bytes(b"half")
    dnas("search", run, "--stage", 1)
    assert differences(run, searched) == []


def test_a_checkpoint_of_a_newer_version_is_refused_not_passed_over(run: Path) -> None:
    path = run / "search/stage1/last.pt"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "version": 2}, path)
    message = dnas("search", run, "--stage", 1, code=4).stderr
    assert "version 2 is not version 1" in message


def test_a_checkpoint_of_another_search_is_refused(run: Path) -> None:
    path = run / "search/stage1/last.pt"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "identity": "sha256:0"}, path)
    message = dnas("search", run, "--stage", 1, code=3).stderr
    assert "another space" in message


def test_a_compressed_archive_is_refused_before_it_fills_the_memory(run: Path) -> None:
    path = run / "search/stage1/last.pt"
    (run / "search/stage1/previous.pt").unlink()
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content + bytes(100_000_000 if "/data/0" in name else 0))
    assert path.stat().st_size < 20_000_000
    assert "is compressed" in dnas("search", run, "--stage", 1, code=4).stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position", {"epoch": -5}),
        ("position", {"epoch": 0, "nonsense": 1}),
        ("position", {"epoch": 1, "best_epoch": "0"}),
        ("position", {"epoch": 1, "best_metric": {}}),
        ("position", None),
        ("network", {}),
        ("network", [1]),
        ("optimizers", {}),
        ("random", {}),
        ("random", {"cpu": torch.zeros(3)}),
    ],
)
def test_a_checkpoint_that_holds_something_else_is_refused(run: Path, key: str, value: Any) -> None:
    path = run / "search/stage1/last.pt"
    content = torch.load(path, weights_only=True)
    torch.save({**content, key: value}, path)
    assert "is not a valid checkpoint" in dnas("search", run, "--stage", 1, code=4).stderr


def test_the_history_has_no_line_missing_and_none_doubled(run: Path, searched: Path) -> None:
    # Killed after the rows of an epoch were written, before its checkpoint was.
    for name in ("history.jsonl", "logits.jsonl"):
        shutil.copy(searched / "search/stage1" / name, run / "search/stage1" / name)
    dnas("search", run, "--stage", 1)
    assert [row["epoch"] for row in rows(run / "search/stage1/history.jsonl")] == [0, 1]
    assert_same_stage(run / "search/stage1", searched / "search/stage1")


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_a_checkpoint_of_a_machine_with_other_gpus_is_continued_on_the_cpu(
    run: Path, searched: Path, monkeypatch: pytest.MonkeyPatch, gpus: int
) -> None:
    path = run / "search/stage1/last.pt"
    content = torch.load(path, weights_only=True)
    content["random"]["cuda"] = [torch.zeros(16, dtype=torch.uint8)] * gpus
    torch.save(content, path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    dnas("search", run, "--stage", 1, "--device", "cpu")
    assert_same_stage(run / "search/stage1", searched / "search/stage1")


@pytest.mark.parametrize(
    ("saved", "index", "restored"),
    [("one", 0, "one"), (["a", "b"], 1, "b"), (["a"], 1, None), (None, 0, None)],
)
def test_the_random_state_of_the_gpu_in_use_alone_is_saved_and_restored(
    monkeypatch: pytest.MonkeyPatch, saved: object, index: int, restored: object
) -> None:
    device, states = torch.device("cuda", index), list[object]()
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda of: f"state of {of}")
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, of: states.append((state, of)))
    assert random_state(device)["cuda"] == f"state of cuda:{index}"
    set_random_state({"cpu": torch.get_rng_state(), "cuda": saved}, device)
    assert states == ([] if restored is None else [(restored, device)])
