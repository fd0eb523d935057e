"""Every code block of `docs/python.md` runs, in order, on small scenes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dnas_cli
from dnas_cli import api
from tests.support.small_scenes import make_gid, write_raster

PAGE = Path(__file__).resolve().parents[1] / "docs/python.md"


@pytest.mark.slow
def test_every_code_block_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_gid(tmp_path / "gid5")
    scene = np.random.default_rng(5).integers(1, 255, (4, 90, 140)).astype(np.uint8)
    write_raster(tmp_path / "scene.tif", scene, crs="EPSG:32650")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert {"map.tif", "map.png"} <= {path.name for path in tmp_path.iterdir()}


def test_no_room_of_the_package_hides_a_function() -> None:
    rooms = {path.parent.name for path in Path(dnas_cli.__file__).parent.glob("*/__init__.py")}
    assert not rooms & set(dnas_cli.__all__)
    assert set(api.__all__) == set(dnas_cli.__all__)


def test_the_import_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, dnas_cli as dnas; assert 'predict' in dir(dnas); "
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
