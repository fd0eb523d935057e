"""`dnas predict` interrupted, killed and run again."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnas_cli.mapping.blending import MapRows
from dnas_cli.mapping.stream import stream_map
from dnas_cli.mapping.unfinished_map import part_folder
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.small_scenes import behind_vrts, replace_unnoticed


@pytest.mark.parametrize(
    ("signals", "keeps_rows_in_work"),
    [((signal.SIGINT,), True), ((signal.SIGTERM,), True), ((signal.SIGINT,) * 2, False)],
)
def test_an_interrupted_map_resumes_and_ends_the_same_to_the_bit(
    signals: tuple[signal.Signals, ...],
    keeps_rows_in_work: bool,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = (models["rgb"], scene, "--window", 32)
    dnas("predict", *arguments, "-o", tmp_path / "whole.tif")
    in_work = []

    def interrupted(*given: Any, **more: Any) -> Iterator[MapRows]:
        for rows in stream_map(*given, **more):
            if rows.row > 60:
                in_work.append(rows)
                for number in signals:
                    os.kill(os.getpid(), number)
            yield rows

    out = tmp_path / "map.tif"
    monkeypatch.setattr("dnas_cli.mapping.scene_map.stream_map", interrupted)
    said = dnas("predict", *arguments, "-o", out, code=130)
    assert "Run the same command again" in said.stderr
    assert not out.exists()
    monkeypatch.undo()
    said = dnas("predict", *arguments, "-o", out, "--json")
    assert "resuming at row" in said.stderr
    (rows,) = in_work
    finished = rows.row + (len(rows.classes) if keeps_rows_in_work else 0)
    assert json.loads(said.stdout)[0]["resumed_from_row"] == finished
    assert out.read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert not part_folder(out).exists()


def test_rows_that_another_batch_computed_are_not_resumed(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("predict", models["rgb"], scene, "--window", 64, "-o", tmp_path / "map.tif")
    monkeypatch.setattr(
        "dnas_cli.mapping.write_outputs.write_cog", lambda *_: os.kill(os.getpid(), signal.SIGINT)
    )
    dnas(*arguments, "--batch", 1, code=130)
    monkeypatch.undo()
    assert "rows are finished" not in dnas(*arguments, "--batch", 2).stderr


def test_rows_of_a_scene_that_was_replaced_at_the_same_size_and_time_are_not_resumed(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("predict", models["rgb"], scene, "-o", tmp_path / "map.tif")
    with monkeypatch.context() as patch:
        patch.setattr(
            "dnas_cli.mapping.write_outputs.write_cog",
            lambda *_: os.kill(os.getpid(), signal.SIGINT),
        )
        dnas(*arguments, code=130)
    replace_unnoticed(scene)
    assert "rows are finished" not in dnas(*arguments).stderr


def test_rows_of_a_mosaic_of_which_a_part_was_replaced_are_not_resumed(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mosaic = behind_vrts(Path(shutil.copy(scene, tmp_path / "mosaic.tif")))
    arguments = ("predict", models["rgb"], mosaic, "-o", tmp_path / "map.tif")
    for replaced in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(
                "dnas_cli.mapping.write_outputs.write_cog",
                lambda *_: os.kill(os.getpid(), signal.SIGINT),
            )
            dnas(*arguments, "--overwrite", code=130)
        if replaced:
            replace_unnoticed(tmp_path / "parts/mosaic.tif")
        assert ("rows are finished" in dnas(*arguments, "--overwrite").stderr) != replaced


def test_a_scene_that_is_replaced_while_it_is_mapped_has_no_map(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replacing(*given: Any, **more: Any) -> Iterator[MapRows]:
        yield from stream_map(*given, **more)
        replace_unnoticed(scene)

    arguments = ("predict", models["rgb"], scene, "-o", tmp_path / "map.tif")
    with monkeypatch.context() as patch:
        patch.setattr("dnas_cli.mapping.scene_map.stream_map", replacing)
        assert "was replaced while it was mapped" in dnas(*arguments, code=4).stderr
    assert not (tmp_path / "map.tif").exists()
    assert "rows are finished" not in dnas(*arguments).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_outputs_are_written_says_how_to_go_on(
    number: signal.Signals,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "map.tif"
    monkeypatch.setattr(
        "dnas_cli.mapping.write_outputs.write_cog", lambda *_: os.kill(os.getpid(), number)
    )
    said = dnas("predict", models["rgb"], scene, "-o", out, code=130)
    assert "150 of 150 rows are finished" in said.stderr
    assert "Run the same command again" in said.stderr
    assert not out.exists()
    monkeypatch.undo()
    assert "all rows are finished" in dnas("predict", models["rgb"], scene, "-o", out).stderr
    assert read(out).shape == (150, 130)


def test_a_map_killed_while_it_was_written_leaves_nothing_behind_in_the_end(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "maps"

    def killed(*arguments: Any) -> None:
        for name in (".map.x1y2_z.part.tif", ".map.x1y2_z.part.tif.ovr.tmp", ".map.b.x.part.tif"):
            (folder / name).write_bytes(b"half")
        raise OSError("the plug was pulled")

    monkeypatch.setattr("dnas_cli.mapping.write_outputs.write_cog", killed)
    dnas("predict", models["rgb"], scene, "-o", folder / "map.tif", code=1)
    monkeypatch.undo()
    dnas("predict", models["rgb"], scene, "-o", folder / "map.tif")
    left = {path.name for path in folder.iterdir()}
    assert left == {
        "map.tif",
        "map.tif.aux.xml",
        "map.qml",
        ".map.b.x.part.tif",
    }  # the last: of `map.b.tif`


def test_a_crash_while_writing_outputs_leaves_none_that_looks_finished(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "map.png", tmp_path / "map.tif"

    def fails(*arguments: Any, **more: Any) -> None:
        raise OSError("the plug was pulled")

    monkeypatch.setattr("dnas_cli.mapping.write_outputs.write_cog", fails)
    dnas("predict", models["rgb"], scene, "-o", first, "-o", second, code=1)
    assert first.exists()
    assert not second.exists()
    monkeypatch.undo()
    said = dnas("predict", models["rgb"], scene, "-o", first, "-o", second)
    assert "all rows are finished" in said.stderr
    assert np.array_equal(read(first), read(second))
