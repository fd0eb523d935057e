"""A training by several processes ends with the bits of one process."""

import os
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dnas_cli.errors import UsageError
from dnas_cli.nets.network import NetworkShape, build_supernet
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.coding import first_space, third_space
from dnas_cli.stages.training_setup import check_batch
from dnas_cli.training.ranks import Ranks
from dnas_cli.training.sharding import Sharding
from tests.support.command_line import dnas
from tests.support.same_bits import assert_same_stage, differences
from tests.support.several import Several, several
from tests.support.small_codings import ARCHITECTURE, CONNECTIONS
from tests.support.small_runs import first_search, wait_for

SHARDS = ("--shards", 4, "--batch", 8)
STRONG = ("--augment", "strong", "--mix-classes", 0.5, "--logit-steps", 2)


def _search(run: Path, tiles: Path) -> tuple[object, ...]:
    return first_search(run, tiles, *SHARDS, *STRONG, "--epochs", 3)


@pytest.fixture(scope="module")
def alone(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage one process searched in four shards, and decoded."""
    run = tmp_path_factory.mktemp("alone") / "run"
    dnas(*_search(run, tiny_tiles))
    dnas("decode", run, "--stage", 1)
    return run


@pytest.mark.parametrize("count", [2, 4])
def test_a_search_by_several_processes_has_the_bits_of_one(
    alone: Path, tiny_tiles: Path, tmp_path: Path, count: int
) -> None:
    run = tmp_path / "run"
    first, *others = several(count, tmp_path, *_search(run, tiny_tiles))
    dnas("decode", run, "--stage", 1)
    assert not differences(alone, run)
    assert "stage 1 is finished" in first.output
    assert [other.output for other in others] == [""] * (count - 1)  # one process speaks


def test_stopped_and_killed_a_search_resumes_with_other_processes(
    alone: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run, command = tmp_path / "run", _search(tmp_path / "run", tiny_tiles)
    often = ("--checkpoint-every", 0)
    group = Several(4, (*command, *often), tmp_path / "stopped")
    wait_for(run / "search/stage1/previous.pt")  # a step is done
    os.kill(group.processes[1], signal.SIGTERM)  # a signal to one stops all
    ends = group.ends()
    assert [end.code for end in ends] == [130] * 4, group.outputs()
    assert f"Resume with: dnas search {run} --stage 1" in ends[0].output
    last = (run / "search/stage1/last.pt").stat().st_mtime_ns
    group = Several(3, ("search", run, "--stage", 1, *often), tmp_path / "killed")
    while (run / "search/stage1/last.pt").stat().st_mtime_ns == last and group.running():
        pass
    os.kill(group.processes[2], signal.SIGKILL)
    ends = group.ends()
    if ends[2].code is None:  # it was not done before
        assert ends[0].code == 1
        assert "another process of this training ended or does not answer" in ends[0].output
        assert "Run the same command again." in ends[0].output
        assert "Traceback" not in group.outputs()
    dnas("search", run, "--stage", 1)
    assert_same_stage(alone / "search/stage1", run / "search/stage1")


def test_a_retraining_by_several_processes_has_the_bits_of_one(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    coding = tmp_path / "coding.json"
    ARCHITECTURE.write(coding)
    settings = ("--shards", 2, "--batch", 8, "--keep", "average", "--width", 4, "--head", 8)
    more = ("--epochs", 2, "--optimizer", "adamw", "--memory", "low", "--device", "cpu")
    for count in (1, 2):
        run = tmp_path / f"{count}"
        inputs = ("retrain", run, "--architecture", coding, "--data", tiny_tiles)
        several(count, tmp_path / f"output-{count}", *inputs, *settings, *more)
    assert not differences(tmp_path / "1", tmp_path / "2")


def test_what_cannot_work_is_one_message_and_ends_all_processes(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    command = first_search(tmp_path / "run", tiny_tiles, "--shards", 2)
    ends = Several(3, command, tmp_path / "more").ends()
    assert [end.code for end in ends] == [2, 2, 2]
    assert "--shards 2: 3 processes train, and each needs a shard" in ends[0].output
    assert [end.output for end in ends[1:]] == ["", ""]
    ends = Several(2, ("search", "--stage", "none"), tmp_path / "usage").ends()
    assert [end.code for end in ends] == [2, 2]
    message = dnas(*first_search(tmp_path / "run", tiny_tiles, "--shards", 3), code=2).stderr
    assert "batch (4) must be a multiple of shards (3)" in message


def test_a_shard_needs_two_tiles_where_global_average_pooling_is_a_candidate() -> None:
    network = build_supernet(third_space(CONNECTIONS), NetworkShape(2, 3, 2, head=2))
    check_batch(SearchSettings(batch=4, shards=2), network, 32)
    with pytest.raises(UsageError, match="normalises over the tiles of a shard"):
        check_batch(SearchSettings(batch=4, shards=4), network, 32)


def test_gradients_are_the_mean_over_shards_and_statistics_follow_their_order() -> None:
    torch.manual_seed(0)
    network = build_supernet(first_space(2), NetworkShape(2, 3, 2, head=2, dropout=(0.0, 0.0)))
    images = torch.randn(3, 2, 3, 16, 16)
    norm = next(item for item in network.modules() if isinstance(item, nn.BatchNorm2d))
    optimizer = torch.optim.SGD(network.weights(), 0.1)

    def loss_of(image: Tensor) -> Tensor:
        loss: Tensor = network(image).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    mean, variance = torch.zeros(1), torch.ones(1)
    losses = []
    for image in images:
        losses.append(loss_of(image))  # gradients add up
        found = network.stem[0][0](image)  # type: ignore[index]
        mean = 0.9 * mean + 0.1 * found.mean((0, 2, 3))
        variance = 0.9 * variance + 0.1 * found.var((0, 2, 3))
    expected = [None if item.grad is None else item.grad / 3 for item in network.weights()]
    for item in network.modules():
        if isinstance(item, nn.BatchNorm2d):
            item.reset_running_stats()
    sharding = Sharding(network, 3, Ranks(), torch.device("cpu"))
    loss = sharding.gradients(optimizer, lambda position: loss_of(images[position]))
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    torch.testing.assert_close([item.grad for item in network.weights()], expected)
    torch.testing.assert_close(norm.running_mean, mean.detach())
    torch.testing.assert_close(norm.running_var, variance.detach())
    assert int(norm.num_batches_tracked or 0) == 3
