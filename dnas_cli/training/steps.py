"""The training steps of retraining and of a search.

The training loop is the same for both; it sees them as `Steps`.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from dnas_cli.nets.device import optimizer_kernel
from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor
from dnas_cli.run.settings import RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.space.decoding import normalised_entropy
from dnas_cli.training.averaging import moving_average
from dnas_cli.training.batches import Batch, BatchStream
from dnas_cli.training.cost_penalty import CostPenalty
from dnas_cli.training.finite import check_loss
from dnas_cli.training.graphed_pass import GraphedPass
from dnas_cli.training.losses import make_loss
from dnas_cli.training.precision import Precision
from dnas_cli.training.ranks import joined_ranks
from dnas_cli.training.sharding import Sharding

Losses = dict[str, list[Tensor]]
"""Losses by name, still on the device; the loss of a step is the mean of each list."""


class Steps(Protocol):
    """One kind of training, step by step."""

    network: Network
    device: torch.device
    precision: Precision
    optimizers: dict[str, Optimizer]
    average: AveragedModel | None

    @property
    def per_epoch(self) -> int:
        """Steps per epoch."""

    def batches(self, epoch: int, start: int) -> Iterator[Any]:
        """Return the batches of an epoch from a step on, one item per step."""

    def step(self, batches: Any, learning_rate: float) -> Losses:
        """Take one step and return its losses by name."""

    def close(self) -> None:
        """End the processes that load tiles."""


class _NetworkSteps:
    """The forward pass, loss and weight step that both kinds share."""

    def __init__(
        self,
        network: Network,
        settings: TrainingSettings,
        device: torch.device,
        class_pixels: Sequence[int],
        mode: ExecutionMode,
        replay: bool,
    ) -> None:
        self.network = network
        self._run = executor(network, mode)
        self.precision = Precision(device)
        self.optimizers: dict[str, Optimizer] = {"weights": _optimizer(network, settings, device)}
        self.average: AveragedModel | None = None
        self._loss = make_loss(settings, class_pixels, device)
        self.device = device
        self._shard_size = settings.shard_size
        self._sharding = None
        if settings.shards > 1:
            self._sharding = Sharding(network, settings.shards, joined_ranks(), device)
        self._graphed = GraphedPass() if replay and self._can_replay() else None

    def _can_replay(self) -> bool:
        """Whether steps can be recorded: deterministic sums wait for the host, as does scaling."""
        return (
            self.device.type == "cuda"
            and self._sharding is None
            and not self.precision.scales
            and not torch.are_deterministic_algorithms_enabled()
        )

    def _step(self, name: str, batch: Batch, penalty: Callable[[], Tensor] | None = None) -> Tensor:
        """Take a step of an optimizer by the loss of a batch and a penalty, and return the loss."""
        optimizer = self.optimizers[name]
        if self._graphed is not None:
            weighting = self.network.weighting
            constants = None if weighting is None else weighting.temperature
            parameters = [item for group in optimizer.param_groups for item in group["params"]]
            loss = self._graphed(parameters, batch, self._backward, name, constants)
        elif self._sharding is None:
            loss = self._loss_of(batch)
            self._check(loss)
            optimizer.zero_grad(set_to_none=True)
            self.precision.backward(loss)
        else:
            shards = list(
                zip(*(torch.split(part, self._shard_size) for part in batch), strict=True)
            )
            loss = self._sharding.gradients(optimizer, lambda k: self._backward(shards[k]))
            self._check(loss)
        if penalty is not None:
            self.precision.backward(penalty())
        self.precision.step(optimizer)
        return loss.detach()

    def _backward(self, batch: Batch) -> Tensor:
        """Compute the gradients of a batch's loss, and return it."""
        loss = self._loss_of(batch)
        self.precision.backward(loss)
        return loss.detach()

    def _loss_of(self, batch: Batch) -> Tensor:
        image, target = (part.to(self.device, non_blocking=True) for part in batch)
        with self.precision.autocast():
            logits = self._run(image)
        return self._loss(logits.float(), target)

    def _check(self, loss: Tensor) -> None:
        # Elsewhere the host would wait for the device at every step: the loop checks later.
        if self.device.type == "cpu":
            check_loss(loss.item())

    def _step_weights(self, batch: Batch, learning_rate: float) -> Tensor:
        for group in self.optimizers["weights"].param_groups:
            group["lr"] = learning_rate
        return self._step("weights", batch)


class WeightSteps(_NetworkSteps):
    """Retraining: every step is a step of the weights.

    Args:
        replay: Whether a GPU records steps and replays them.
    """

    def __init__(
        self,
        network: Network,
        stream: BatchStream,
        settings: RetrainSettings,
        device: torch.device,
        class_pixels: Sequence[int] = (),
        mode: ExecutionMode = "fast",
        replay: bool = True,
    ) -> None:
        super().__init__(network, settings, device, class_pixels, mode, replay)
        self._stream = stream
        if settings.keep == "average":
            self.average = moving_average(network)

    @property
    def per_epoch(self) -> int:
        """Steps per epoch."""
        return self._stream.steps

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Return the batches of an epoch from a step on."""
        return self._stream.epoch(epoch, start)

    def step(self, batches: Batch, learning_rate: float) -> Losses:
        """Take a step of the weights."""
        losses = {"loss": [self._step_weights(batches, learning_rate)]}
        if self.average is not None:
            self.average.update_parameters(self.network)
        return losses

    def close(self) -> None:
        """End the processes that load tiles."""
        self._stream.close()


class SearchSteps(_NetworkSteps):
    """A search: weights learn on half A, logits on half B, in turn (first order).

    With every step of the weights come `logit_steps` of the logits, until these have decided.

    Args:
        replay: Whether a GPU records steps and replays them.
    """

    def __init__(
        self,
        network: Network,
        streams: tuple[BatchStream, BatchStream],
        settings: SearchSettings,
        device: torch.device,
        class_pixels: Sequence[int] = (),
        mode: ExecutionMode = "fast",
        penalty: CostPenalty | None = None,
        replay: bool = True,
    ) -> None:
        super().__init__(network, settings, device, class_pixels, mode, replay)
        self._penalty = penalty
        logits = network.architecture_logits()
        assert logits is not None
        self.optimizers["logits"] = Adam(
            [logits],
            settings.logit_learning_rate,
            betas=(0.9, 0.999),
            weight_decay=settings.logit_weight_decay,
            **optimizer_kernel(device),
        )
        self._logits = logits.requires_grad_(False)
        self._settings = settings
        self._weight_stream, self._logit_stream = streams

    @property
    def per_epoch(self) -> int:
        """Steps per epoch."""
        return min(self._weight_stream.steps, self._logit_stream.steps)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Batch, tuple[Batch, ...]]]:
        """Return per step a batch for the weights and those for the logits.

        The logits get none while only the weights learn, and when they have decided.
        """
        weighting = self.network.weighting
        assert weighting is not None
        weighting.temperature = temperature(self._settings, epoch)
        if self._penalty is not None:
            self._penalty.start_epoch(epoch)
        a = itertools.islice(self._weight_stream.epoch(epoch, start), self.per_epoch - start)
        if epoch < self._settings.weight_epochs or self._decided():
            return zip(a, itertools.repeat(()))
        each = self._settings.logit_steps
        return zip(a, _in_groups(self._logit_batches(epoch, start * each), each), strict=False)

    def _logit_batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Yield the logits' batches from a logit step on: of as many epochs of half B as needed."""
        each, length = self._settings.logit_steps, self._logit_stream.steps
        for number in range(start // length, each):
            skipped = start % length if number == start // length else 0
            yield from self._logit_stream.epoch(epoch * each + number, skipped)

    def _decided(self) -> bool:
        """Whether the entropy of the logits is so low that they no longer learn."""
        if not self._settings.fix_logits:
            return False
        assert self.network.weighting is not None
        groups = [group.tolist() for group in self.network.weighting.groups()]
        return normalised_entropy(groups) < self._settings.fix_logits

    def step(self, batches: tuple[Batch, tuple[Batch, ...]], learning_rate: float) -> Losses:
        """Take a step of the weights, then those of the logits."""
        for_weights, for_logits = batches
        losses = {"loss": [self._step_weights(for_weights, learning_rate)]}
        taken = [self._step_logits(batch) for batch in for_logits if not self._decided()]
        return {**losses, "logit_loss": taken} if taken else losses

    def close(self) -> None:
        """End the processes that load tiles."""
        self._weight_stream.close()
        self._logit_stream.close()

    def _step_logits(self, batch: Batch) -> Tensor:
        """Take a step of the logits; no gradient of any weight is computed."""
        weights = self.network.weights()
        for parameter in weights:
            parameter.requires_grad_(False)
        self._logits.requires_grad_(True)
        try:
            return self._step("logits", batch, self._cost())
        finally:
            self._logits.requires_grad_(False)
            for parameter in weights:
                parameter.requires_grad_(True)

    def _cost(self) -> Callable[[], Tensor] | None:
        """Return the penalty on what the logits decode to, if there is one."""
        penalty, weighting = self._penalty, self.network.weighting
        if penalty is None or weighting is None:
            return None
        return lambda: penalty(weighting.groups())


def temperature(settings: SearchSettings, epoch: int) -> float:
    """Return what logits are divided by in an epoch.

    It falls geometrically, from 1 in the first epoch in which logits learn to the final one in the
    last: with 5 such epochs and a final temperature of 0.01 it is 1, 0.32, 0.1, 0.032, 0.01.
    """
    learning, passed = settings.epochs - settings.weight_epochs, epoch - settings.weight_epochs
    share = 1.0 if learning == 1 else min(max(passed / (learning - 1), 0.0), 1.0)
    return 1.0 if passed < 0 else float(settings.logit_temperature**share)


def _in_groups(batches: Iterator[Batch], size: int) -> Iterator[tuple[Batch, ...]]:
    while group := tuple(itertools.islice(batches, size)):
        yield group


def _optimizer(network: Network, settings: TrainingSettings, device: torch.device) -> Optimizer:
    """Return the optimizer of the weights."""
    weights, rate, decay = network.weights(), settings.learning_rate, settings.weight_decay
    kernel = optimizer_kernel(device)
    if settings.optimizer == "adamw":
        betas = (settings.momentum, 0.999)
        return AdamW(weights, rate, betas=betas, weight_decay=decay, **kernel)
    return SGD(weights, rate, momentum=settings.momentum, weight_decay=decay, **kernel)
