"""The processes of one training: how they find each other, agree, and exchange numbers.

`torchrun` starts the same command several times and numbers the processes (`RANK` of
`WORLD_SIZE`). The first one does the work of the command. The others follow it: they take part in
its trainings and write nothing.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from dnas_cli.errors import DnasError, UsageError, brief

TIMEOUT = "DNAS_RANK_TIMEOUT"
"""Environment variable: seconds that a process waits for another one within a training."""

_TIMEOUT = 600.0


class LostRankError(DnasError):
    """Another process of the training ended, or does not answer."""


@dataclass(frozen=True)
class Ranks:
    """The processes of a training; by itself, this process alone.

    Attributes:
        number: Of this process, from 0; the first one writes.
        count: Of all processes.
    """

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.number == 0

    def own(self, parts: int) -> range:
        """Return which of a number of parts are this process's."""
        return range(self.number, parts, self.count)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return which flags are set in any process; all processes call this at the same step.

        Raises:
            LostRankError: Another process ended.
        """
        if self.count == 1:
            return flags
        found = torch.tensor(flags, dtype=torch.uint8)
        with _together():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return tuple(map(bool, found.tolist()))

    def gather(self, own: Tensor, parts: int) -> Tensor:
        """Return the rows of all parts, in their order.

        Args:
            own: (own parts, N), in the order of `own(parts)`.
            parts: Number of parts, at least one per process.

        Returns:
            (parts, N).

        Raises:
            LostRankError: Another process ended.
        """
        if self.count == 1:
            return own
        most = -(-parts // self.count)
        sent = own.new_zeros(most, own.shape[1])
        sent[: len(own)] = own
        received = [torch.empty_like(sent) for _ in range(self.count)]
        with _together():
            dist.all_gather(received, sent)
        return torch.stack(
            [received[part % self.count][part // self.count] for part in range(parts)]
        )

    def total(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the sum of counts over all processes.

        Raises:
            LostRankError: Another process ended.
        """
        if self.count == 1:
            return counts
        found = torch.from_numpy(counts.copy())
        with _together():
            dist.all_reduce(found)
        return found.numpy()

    def shared(self, content: Any) -> Any:
        """Return the first process's content; it is tensors and plain data, as of a checkpoint.

        Raises:
            LostRankError: Another process ended.
        """
        if self.count == 1:
            return content
        stream = io.BytesIO()
        torch.save(content if self.is_first else None, stream)
        size = torch.tensor([stream.tell()])
        with _together():
            dist.broadcast(size, 0)
            data = torch.empty(int(size), dtype=torch.uint8)
            if self.is_first:
                data = torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)
            dist.broadcast(data, 0)
        if self.is_first:
            return content
        return torch.load(io.BytesIO(data.numpy().tobytes()), weights_only=True)


def joined_ranks() -> Ranks:
    """Return the processes that this one has joined; itself alone without."""
    if not (dist.is_available() and dist.is_initialized()):
        return Ranks()
    return Ranks(dist.get_rank(), dist.get_world_size())


def ranks_on_this_machine() -> int:
    """Return how many processes of the training run on this machine."""
    count = joined_ranks().count
    return int(os.environ.get("LOCAL_WORLD_SIZE", count)) if count > 1 else 1


@contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads within the block; 0 for as many as it uses already."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def own_device(device: torch.device) -> torch.device:
    """Return the GPU of this process where several processes share a machine."""
    local = os.environ.get("LOCAL_RANK", "")
    if device.type != "cuda" or joined_ranks().count == 1 or not local.isdigit():
        return device
    own = torch.device("cuda", int(local) % torch.cuda.device_count())
    torch.cuda.set_device(own)
    return own


def join() -> tuple[Ranks, Store]:
    """Join the processes that the environment names.

    Returns:
        The processes, and the store of keys and values that they share.

    Raises:
        UsageError: The environment is incomplete.
        LostRankError: They do not come.
    """
    backend, timeout = "gloo", _timeout()
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, number, count = next(rendezvous("env://", timeout=timeout))
        store.set_timeout(timeout)
        dist.init_process_group(
            backend,
            store=PrefixStore("training", store),
            rank=number,
            world_size=count,
            timeout=timeout,
        )
    except ValueError as error:
        raise UsageError(
            f"RANK is set, but not what finds the other processes ({brief(error)}).",
            "Start dnas with torchrun, or unset RANK and WORLD_SIZE.",
        ) from error
    except RuntimeError as error:
        raise LostRankError(f"the processes do not find each other ({brief(error)}).") from error
    return joined_ranks(), PrefixStore("messages", store)


def leave() -> None:
    """Close the connections to the other processes; what they wait for fails."""
    if joined_ranks().count > 1:
        dist.destroy_process_group()


def _timeout() -> timedelta:
    text = os.environ.get(TIMEOUT, str(_TIMEOUT))
    try:
        return timedelta(seconds=float(text))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{TIMEOUT}={text}: must be a number of seconds.") from error


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of gloo and nccl: a closed connection, a time-out
        raise LostRankError(
            f"another process of this training ended or does not answer ({brief(error)}); "
            "the last checkpoint is intact.",
            "Its own message says why. Run the same command again.",
        ) from error
