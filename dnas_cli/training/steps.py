"""What one training step does: in retraining, and in a search.

The training loop is the same for both; it knows them as `Steps`.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor
from dnas_cli.training.averaging import moving_average
from dnas_cli.training.batches import Batch, BatchStream
from dnas_cli.training.finite import check_loss
from dnas_cli.training.losses import make_loss
from dnas_cli.training.precision import Precision
from dnas_cli.training.settings import RetrainSettings, SearchSettings, TrainingSettings

Losses = dict[str, float]


class Steps(Protocol):
    """One kind of training, step by step."""

    network: Network
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


class _NetworkSteps:
    """Forward pass, loss and weight step, which both kinds share."""

    def __init__(
        self,
        network: Network,
        settings: TrainingSettings,
        device: torch.device,
        class_pixels: Sequence[int],
        mode: ExecutionMode,
    ) -> None:
        self.network = network
        self._run = executor(network, mode)
        self.precision = Precision(device)
        self.optimizers: dict[str, Optimizer] = {"weights": _optimizer(network, settings)}
        self.average: AveragedModel | None = None
        self._loss = make_loss(settings, class_pixels, device)
        self._device = device

    def _step(self, optimizer: Optimizer, batch: Batch) -> float:
        image, target = (part.to(self._device, non_blocking=True) for part in batch)
        with self.precision.autocast():
            logits = self._run(image)
        loss = self._loss(logits.float(), target)
        value = check_loss(loss.item())
        self.precision.update(loss, optimizer)
        return value

    def _step_weights(self, batch: Batch, learning_rate: float) -> float:
        optimizer = self.optimizers["weights"]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        return self._step(optimizer, batch)


class WeightSteps(_NetworkSteps):
    """Retraining: every step is a step of the weights."""

    def __init__(
        self,
        network: Network,
        stream: BatchStream,
        settings: RetrainSettings,
        device: torch.device,
        class_pixels: Sequence[int] = (),
        mode: ExecutionMode = "fast",
    ) -> None:
        super().__init__(network, settings, device, class_pixels, mode)
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
        losses = {"loss": self._step_weights(batches, learning_rate)}
        if self.average is not None:
            self.average.update_parameters(self.network)
        return losses


class SearchSteps(_NetworkSteps):
    """A search: weights learn on half A, logits on half B, one step each in turn (first order)."""

    def __init__(
        self,
        network: Network,
        streams: tuple[BatchStream, BatchStream],
        settings: SearchSettings,
        device: torch.device,
        class_pixels: Sequence[int] = (),
        mode: ExecutionMode = "fast",
    ) -> None:
        super().__init__(network, settings, device, class_pixels, mode)
        logits = network.architecture_logits()
        assert logits is not None
        self.optimizers["logits"] = Adam(
            [logits],
            settings.logit_learning_rate,
            betas=(0.9, 0.999),
            weight_decay=settings.logit_weight_decay,
        )
        self._logits = logits.requires_grad_(False)
        self._logits_from = settings.logits_from
        self._weight_stream, self._logit_stream = streams

    @property
    def per_epoch(self) -> int:
        """Steps per epoch."""
        return min(self._weight_stream.steps, self._logit_stream.steps)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Batch, Batch | None]]:
        """Return pairs of batches; the logits get none while only the weights learn."""
        a = self._weight_stream.epoch(epoch, start)
        if epoch < self._logits_from:
            return zip(itertools.islice(a, self.per_epoch - start), itertools.repeat(None))
        return zip(a, self._logit_stream.epoch(epoch, start), strict=False)

    def step(self, batches: tuple[Batch, Batch | None], learning_rate: float) -> Losses:
        """Take a step of the weights, then one of the logits."""
        for_weights, for_logits = batches
        losses = {"loss": self._step_weights(for_weights, learning_rate)}
        if for_logits is not None:
            losses["logit_loss"] = self._step_logits(for_logits)
        return losses

    def _step_logits(self, batch: Batch) -> float:
        """Take a step of the logits; no gradient of any weight is computed."""
        weights = self.network.weights()
        for parameter in weights:
            parameter.requires_grad_(False)
        self._logits.requires_grad_(True)
        try:
            return self._step(self.optimizers["logits"], batch)
        finally:
            self._logits.requires_grad_(False)
            for parameter in weights:
                parameter.requires_grad_(True)


def _optimizer(network: Network, settings: TrainingSettings) -> Optimizer:
    """Return the optimizer of the weights."""
    weights, rate, decay = network.weights(), settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return AdamW(weights, rate, betas=(settings.momentum, 0.999), weight_decay=decay)
    return SGD(weights, rate, momentum=settings.momentum, weight_decay=decay)
