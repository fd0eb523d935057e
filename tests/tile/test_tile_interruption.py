"""`dnas tile` interrupted, killed or out of space, and run again."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from dnas_cli.datasets.discovery import Problem
from dnas_cli.tiles.cutting import CuttingTask, _Strip, cut_image
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.workers import _Signals
from tests.support.command_line import dnas, start
from tests.support.small_scenes import make_gid, replace_unnoticed
from tests.support.tiling import content

pytestmark = pytest.mark.slow


def group_lives(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scenes, of which some are cut before the signal comes and others are left."""
    return make_gid(tmp_path_factory.mktemp("scenes") / "gid5", 10, height=256, width=256)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What cutting them without a break makes."""
    out = tmp_path_factory.mktemp("broken") / "tiles"
    dnas("tile", source, "--size", 32, "--workers", 1, "--out", out)
    return content(out)


@pytest.mark.parametrize(
    ("number", "workers", "again_after"),
    [
        (signal.SIGINT, 1, None),
        (signal.SIGTERM, 1, None),
        (signal.SIGINT, 2, None),
        (signal.SIGINT, 2, 0.01),
        (signal.SIGINT, 2, 0.05),
        (signal.SIGKILL, 2, None),
    ],
)
def test_interrupted_at_any_moment_the_same_command_resumes_to_the_same_bytes(
    source: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    number: int,
    workers: int,
    again_after: float | None,
) -> None:
    out = tmp_path / "tiles"
    command = ("tile", source, "--size", 32, "--out", out, "--workers", workers)
    process = start(*command, own_session=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".progress/[!.]*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
        if again_after is not None:
            time.sleep(again_after)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert not (out / "dataset.json").exists(), "the signal came too late to mean anything"
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "Run the same command again" in errors
        assert "Traceback" not in errors
    while group_lives(process.pid):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.01)
    again = dnas("tile", source, "--size", 32, "--workers", 1, "--out", out)
    assert "of 10 images are cut already" in again.stderr
    assert content(out) == whole


def test_no_signal_interrupts_the_end_of_workers() -> None:
    """Between the first one and the shutdown of the pool, another would leave it at work."""
    signals, closing = _Signals(), _Signals()
    with pytest.raises(KeyboardInterrupt):
        signals(signal.SIGINT, None)
    signals(signal.SIGINT, None)
    closing.closing = True
    closing(signal.SIGTERM, None)
    assert closing.came


def test_other_settings_are_refused_while_work_is_unfinished(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    dnas("tile", source, "--size", 64)
    out = tmp_path / "gid5-tiles"
    settings = json.loads((out / "dataset.json").read_text())["settings"]
    (out / "dataset.json").unlink()
    (out / ".progress").mkdir()
    settings = {"source": str(source.resolve()), **settings}
    (out / ".progress/settings.json").write_text(json.dumps(settings))
    result = dnas("tile", source, "--size", 32, code=3)
    assert "size: 64, now 32" in result.stderr
    dnas("tile", source, "--size", 64)
    assert open_tile_set(out).tile_size == 64


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_no_step_within_a_library(
    source: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """GDAL's binding would make another exception of it, and the image would be unusable."""
    out, ended = tmp_path / "tiles", list[_Strip]()

    def read(*given: Any) -> _Strip:
        if len(ended) == 20:
            os.kill(os.getpid(), number)
        strip = read_strip(*given)
        ended.append(strip)
        return strip

    read_strip = _Strip.read
    command = ("tile", source, "--size", 32, "--out", out, "--workers", 1)
    with monkeypatch.context() as patch:
        patch.setattr(_Strip, "read", read)
        said = dnas(*command, code=130).stderr
    assert len(ended) == 21
    assert "interrupted after 2 of 10 images" in said
    assert "Run the same command again" in said
    dnas(*command)
    assert content(out) == whole


def test_an_image_changed_after_an_interruption_is_cut_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    dnas("tile", source, "--size", 64)
    expected = content(tmp_path / "gid5-tiles")
    # As if interrupted just before the end, with one tile lost and one file damaged.
    out = tmp_path / "again"
    with monkeypatch.context() as patch:
        patch.setattr("dnas_cli.tiles.make_tile_set.write_tile_set", _interrupted)
        dnas("tile", source, "--size", 64, "--out", out, code=130)
    (out / "image/GF2_0/GF2_0_0_0_img.tif").unlink()
    cut_off = out / "label/GF2_1/GF2_1_0_0_label.png"  # as a power cut leaves it
    cut_off.write_bytes(bytes(cut_off.stat().st_size))
    (out / ".progress/GF2_2.npz").write_bytes(b"damaged")
    dnas("tile", source, "--size", 64, "--out", out)
    assert content(out) == expected


def test_a_source_replaced_at_the_same_size_and_time_is_cut_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    with monkeypatch.context() as patch:
        patch.setattr("dnas_cli.tiles.make_tile_set.write_tile_set", _interrupted)
        dnas("tile", source, "--size", 64, "--out", tmp_path / "resumed", code=130)
    replace_unnoticed(source / "image_NirRGB/GF2_0.tif")
    for name in ("resumed", "fresh"):
        dnas("tile", source, "--size", 64, "--out", tmp_path / name)
    assert content(tmp_path / "resumed") == content(tmp_path / "fresh")


def test_a_source_that_is_replaced_while_others_are_cut_is_cut_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = make_gid(tmp_path / "gid5", scenes=3), tmp_path / "gid5-tiles"
    path = source / "image_NirRGB/GF2_0.tif"
    first = path.read_bytes()

    def cut(task: CuttingTask) -> Problem | None:
        result = cut_image(task)
        if task.facts.pair.key == "GF2_0":
            path.write_bytes(first[:-1] + bytes([first[-1] ^ 1]))
        return result

    monkeypatch.setattr("dnas_cli.tiles.make_tile_set.cut_image", cut)
    assert "changed while" in dnas("tile", source, "--size", 64, "--workers", 1, code=3).stderr
    dnas("tile", source, "--size", 64, "--workers", 1)
    dnas("tile", source, "--size", 64, "--workers", 1, "--out", tmp_path / "fresh")
    assert content(out) == content(tmp_path / "fresh")


_LIMIT_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))"


def test_a_full_disk_ends_with_one_message_and_the_same_command_resumes(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=6, height=300, width=300)
    broken = start("tile", source, "--size", 128, before=_LIMIT_FILES)
    _, errors = broken.communicate()
    assert broken.returncode == 1, errors
    assert "cannot write" in errors
    assert "Traceback" not in errors
    dnas("tile", source, "--size", 128)
    assert open_tile_set(tmp_path / "gid5-tiles").tile_size == 128
