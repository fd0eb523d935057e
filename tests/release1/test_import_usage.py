"""`dnas import` used wrongly, and other commands given what should be imported."""

from pathlib import Path

from dnas_cli.model.model_file import load_model
from tests.support.command_line import dnas
from tests.support.importing import CPU, import_model


def test_a_checkpoint_that_was_not_imported_names_the_command(
    files: tuple[Path, Path, Path], tiny_scenes: Path, tmp_path: Path
) -> None:
    scene = next(tiny_scenes.rglob("*.tif"))
    for arguments in (
        ("info", files[2]),
        ("eval", files[2], "--cost"),
        ("predict", files[2], scene, "--out", tmp_path / "map.tif"),
    ):
        assert "`dnas import`" in dnas(*arguments, code=4).stderr


def test_wrong_usage_says_what_to_give(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "model.pt"
    for arguments in (
        (files[2], "--out", out),
        (*files[:2],),
        (*files, "--out", out),
        (*files, "--dataset", "gid5", "--out", out, "--dtype", "int3"),
        (*files, "--dataset", "gid5", "--out", out, "--stage", 1),
        (*files, "--run", tmp_path / "run"),
        (files[2], "--run", tmp_path / "run", "--out", out),
    ):
        dnas("import", *arguments, code=2)
    dnas("import", code=2)


def test_an_output_that_exists_is_kept(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "model.pt"
    out.write_text("mine")
    dnas("import", *files, "--dataset", "gid5", "--out", out, code=3)
    assert out.read_text() == "mine"
    import_model(files, out, "--overwrite")
    load_model(out, CPU)
