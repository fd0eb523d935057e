"""The promise of the same bits, over all stages, on each device that there is."""

import time
from pathlib import Path

import pytest
import torch

from tests.support.command_line import dnas, start
from tests.support.same_bits import differences
from tests.support.small_runs import SIZE, wait_for

_NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

SEARCH = ("--epochs", 2, "--logits-from", 2, "--batch", 4, "--head", 8)
SAVED_OFTEN = ("--checkpoint-every", 0)


def _go_on(killed_after: float | None, stage: Path, *command: object) -> None:
    """Run a command; first kill it, if at all, some seconds after its first checkpoint."""
    if killed_after is not None:
        process = start(*command, *SAVED_OFTEN)
        wait_for(stage / "last.pt")
        time.sleep(killed_after)
        process.kill()
        process.communicate()
    dnas(*command, *SAVED_OFTEN)


def _all_stages(run: Path, tiles: Path, device: str, killed_after: float | None) -> None:
    where = ("--device", device, "--deterministic")
    for stage in (1, 2, 3):
        begin = ("--data", tiles, *SIZE) if stage == 1 else ()
        folder = run / f"search/stage{stage}"
        command = ("search", run, "--stage", stage, *begin, *SEARCH, *where)
        _go_on(killed_after, folder, *command)
        dnas("decode", run, "--stage", stage)
    settings = ("--epochs", 2, "--batch", 4, "--head", 8, "--keep", "average")
    command = ("retrain", run, *settings, *where)
    _go_on(killed_after, run / "retrain", *command)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=_NO_GPU)])
def test_killed_and_continued_every_stage_ends_with_the_same_bits(
    device: str, tiny_tiles: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole/run", tmp_path / "killed/run"
    _all_stages(whole, tiny_tiles, device, None)
    _all_stages(killed, tiny_tiles, device, 0.1)
    assert differences(whole, killed) == []
