"""What containers take away: a writable root, a home, shared memory, a name for the user."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_runs import first_search

ROOT = Path(__file__).resolve().parents[1]
# A mount namespace is what a container is made of; nothing of it is seen outside.
BOX = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t tmpfs -o size=16m tmpfs /dev/shm
mount -o remount,bind,ro /
if touch /tmp/written 2>/dev/null; then exit 99; fi
cd "$1"
shift
exec setpriv --reuid 54321 --regid 54321 --clear-groups --no-new-privs env -i "$@"
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"),
    reason="needs root, to make a mount namespace",
)
def test_another_user_without_a_home_searches_on_a_read_only_root_with_little_shared_memory(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("mount namespaces are not allowed here")
    box = tmp_path / "box"
    shutil.copytree(tiny_tiles, box / "tiles")
    subprocess.run(["chown", "-R", "54321:54321", box], check=True)
    settings = ("--workers", 2, "--batch", 2, "--epochs", 1, "--logits-from", 1)
    command = first_search(Path("run"), Path("tiles"), *settings)
    done = subprocess.run(
        [
            "unshare", "-m", "sh", "-c", BOX, "sh", str(box),
            f"PATH={os.environ['PATH']}", f"PYTHONPATH={ROOT}", "PYTHONDONTWRITEBYTECODE=1",
            "OMP_NUM_THREADS=1", sys.executable, "-m", "dnas_cli", *map(str, command),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Permission denied" in done.stderr and not (box / "run").exists():
        pytest.skip("this Python belongs to root alone")
    assert done.returncode == 0, done.stderr
    assert "stage 1 is finished" in done.stderr
    assert (box / "run/search/stage1/last.pt").is_file()
