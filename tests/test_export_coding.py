"""`dnas export-coding`: the first release's files, read back to the same coding."""

from pathlib import Path

import numpy as np
import pytest

from dnas_cli.space.coding import ArchitectureCoding
from tests.support.command_line import dnas
from tests.support.release1_files import GOLDEN, golden_state, write_checkpoint


def _imported(name: str, out: Path) -> ArchitectureCoding:
    folder = GOLDEN / "published" / name
    dnas("import", folder / "third_connect.npy", folder / "cell_operations.npy", "--out", out)
    return ArchitectureCoding.read(out)


@pytest.mark.parametrize("name", ["L12", "L14"])
def test_exported_files_have_the_published_form_and_read_back_the_same(
    name: str, tmp_path: Path
) -> None:
    coding = _imported(name, tmp_path / "a.json")
    dnas("export-coding", tmp_path / "a.json", "--format", "release1", "--out", tmp_path / "out")
    for file in ("third_connect.npy", "cell_operations.npy"):
        ours, published = (
            np.load(folder / file) for folder in (tmp_path / "out", GOLDEN / "published" / name)
        )
        assert ours.dtype == published.dtype
        assert ours.shape[1:] == published.shape[1:]
    files = (tmp_path / "out/third_connect.npy", tmp_path / "out/cell_operations.npy")
    dnas("import", *files, "--out", tmp_path / "b.json")
    assert ArchitectureCoding.read(tmp_path / "b.json") == coding


def test_a_decoded_run_exports_its_architecture(tiny_tiles: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    search = write_checkpoint(tmp_path / "s.pth.tar", golden_state("stage3_L5"))
    dnas("import", search, "--run", run, "--data", tiny_tiles)
    assert "no architecture yet" in dnas("export-coding", run, "--out", out, code=3).stderr
    assert not out.exists()
    dnas("decode", run, "--stage", 3)
    printed = dnas("export-coding", run, "--out", out).stdout
    assert printed.splitlines() == [
        str(out / "third_connect.npy"),
        str(out / "cell_operations.npy"),
    ]
    coding = ArchitectureCoding.read(run / "coding/architecture.json")
    files = (out / "third_connect.npy", out / "cell_operations.npy")
    dnas("import", *files, "--out", tmp_path / "back.json")
    back = ArchitectureCoding.read(tmp_path / "back.json")
    assert (back.graph, back.operators) == (coding.graph, coding.operators)


def test_files_that_exist_are_kept(tmp_path: Path) -> None:
    _imported("L12", tmp_path / "a.json")
    (tmp_path / "cell_operations.npy").write_text("mine")
    dnas("export-coding", tmp_path / "a.json", "--out", tmp_path, code=3)
    assert (tmp_path / "cell_operations.npy").read_text() == "mine"
    assert not (tmp_path / "third_connect.npy").exists()
    dnas("export-coding", tmp_path / "a.json", "--out", tmp_path, "--overwrite")
    assert np.load(tmp_path / "cell_operations.npy").shape == (12, 4, 10)


def test_what_is_no_run_and_no_coding_is_refused(tmp_path: Path) -> None:
    dnas("export-coding", tmp_path / "none", "--out", tmp_path / "out", code=4)
    dnas("export-coding", tmp_path, "--out", tmp_path / "out", code=4)
    (tmp_path / "a.json").write_text("{}")
    dnas("export-coding", tmp_path / "a.json", "--out", tmp_path / "out", code=4)
