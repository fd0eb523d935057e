"""`dnas tile` interrupted, killed or out of space, and run again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dnas_cli.tiles.tile_set import open_tile_set
from tests.support.small_scenes import make_gid
from tests.support.tiling import content, run


def group_lives(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


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
def test_interrupted_at_any_moment_the_same_command_goes_on_to_the_same_bytes(
    runner, tmp_path, number, workers, again_after
):
    source = make_gid(tmp_path / "gid5", scenes=24, height=320, width=320)
    run(runner, source, "--size", 32, "--workers", 1, "--out", tmp_path / "whole")
    out = tmp_path / "broken"
    command = [sys.executable, "-m", "dnas_cli", "tile", str(source), "--size", "32"]
    command += ["--out", str(out), "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".progress/*.npz"))) < 2 and time.monotonic() < deadline:
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
    again = run(runner, source, "--size", 32, "--workers", 1, "--out", out)
    assert "of 24 images are cut already" in again.stderr
    assert content(out) == content(tmp_path / "whole")


def test_other_settings_are_refused_while_work_is_unfinished(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    run(runner, source, "--size", 64)
    out = tmp_path / "gid5-tiles"
    settings = json.loads((out / "dataset.json").read_text())["settings"]
    (out / "dataset.json").unlink()
    (out / ".progress").mkdir()
    settings = {"source": str(source.resolve()), **settings}
    (out / ".progress/settings.json").write_text(json.dumps(settings))
    result = run(runner, source, "--size", 32, code=3)
    assert "size: 64, now 32" in result.stderr
    run(runner, source, "--size", 64)
    assert open_tile_set(out).tile_size == 64


def test_an_image_changed_after_an_interruption_is_cut_again(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    run(runner, source, "--size", 64)
    expected = content(tmp_path / "gid5-tiles")
    # As if interrupted just before the end, with one block lost and one file damaged.
    import dnas_cli.tiles.make_tile_set as making

    out = tmp_path / "again"
    original = making.write_tile_set
    making.write_tile_set = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt())
    try:
        run(runner, source, "--size", 64, "--out", out, code=130)
    finally:
        making.write_tile_set = original
    (out / "image/GF2_0/GF2_0_0_0_img.tif").unlink()
    (out / "label/GF2_1/GF2_1_0_0_label.png").write_bytes(b"")
    (out / ".progress/GF2_2.npz").write_bytes(b"damaged")
    run(runner, source, "--size", 64, "--out", out)
    assert content(out) == expected


def test_a_full_disk_ends_with_one_message_and_the_same_command_goes_on(tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=6, height=300, width=300)
    command = [sys.executable, "-m", "dnas_cli", "tile", str(source), "--size", "128"]
    limited = ["bash", "-c", 'ulimit -f 40; exec "$@"', "bash", *command]
    broken = subprocess.run(limited, capture_output=True, text=True)
    assert broken.returncode == 1, broken.stderr
    assert "cannot write" in broken.stderr
    assert "Traceback" not in broken.stderr
    subprocess.run(command, check=True, capture_output=True)
    assert open_tile_set(tmp_path / "gid5-tiles").tile_size == 128
