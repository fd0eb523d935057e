"""What TensorBoard is given."""

from pathlib import Path

import pytest

from tests.support.command_line import dnas, rows
from tests.support.small_runs import first_search

pytest.importorskip("tensorboard")


def test_scalars_and_logits_of_every_epoch_are_written(tiny_tiles: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles), "--log", "tensorboard")
    events = EventAccumulator(str(run / "tensorboard" / "stage1"), {"histograms": 0, "images": 0})
    events.Reload()
    history = rows(run / "search" / "stage1" / "history.jsonl")
    assert [item.step for item in events.Scalars("loss")] == [1, 2]
    assert [item.value for item in events.Scalars("loss")] == pytest.approx(
        [row["loss"] for row in history], rel=1e-6
    )
    assert [item.step for item in events.Histograms("logits")] == [1, 2]
    validated = [row["epoch"] + 1 for row in history if "val" in row]
    images = events.Images("confusion")
    assert [item.step for item in images] == validated
    assert min(images[-1].width, images[-1].height) > 100
