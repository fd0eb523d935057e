"""Losses over labelled pixels; ignored ones count for nothing (method, section 6)."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dnas_cli.metrics import IGNORE
from dnas_cli.run.settings import Loss, TrainingSettings
from dnas_cli.training.finite import check_loss
from dnas_cli.training.progress import Progress

FOCAL_GAMMA = 2.0
FOCAL_ALPHA = 0.5


def make_loss(
    settings: TrainingSettings, class_pixels: Sequence[int], device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of (logits, target) that the settings say.

    Args:
        settings: The loss and how classes weigh.
        class_pixels: Labelled pixels per class in the training split.
        device: Where logits are.
    """
    if settings.class_weights == "equal":
        return partial(LOSSES[settings.loss], weights=None)
    return partial(LOSSES[settings.loss], weights=balanced_weights(class_pixels).to(device))


class UnreadLosses:
    """Losses of steps that are still on the device: reading them one by one would wait for it."""

    def __init__(self) -> None:
        self._steps: list[dict[str, list[Tensor]]] = []

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self._steps)

    def append(self, losses: dict[str, list[Tensor]]) -> None:
        """Keep the losses of a step, by name."""
        self._steps.append(losses)

    def read(self, progress: Progress) -> None:
        """Add the losses to the position in training, and forget them.

        Raises:
            DivergedError: One is not finite.
        """
        steps, self._steps = self._steps, []
        found = [loss for step in steps for losses in step.values() for loss in losses]
        values = iter(torch.stack(found).tolist() if found else [])
        for step in steps:
            means = {}
            for name, losses in step.items():
                read = [check_loss(next(values)) for _ in losses]
                means[name] = sum(read) / len(read)
            progress.add(means)


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy over labelled pixels; 0 when there are none.

    Args:
        logits: (N, C, H, W).
        target: (N, H, W) class indices, 255 ignored.
        weights: What a pixel of each class counts; all the same when missing.
    """
    # Summed here: the sum that torch takes itself is not deterministic on a GPU.
    losses = F.cross_entropy(logits, target, weights, ignore_index=IGNORE, reduction="none")
    return losses.sum() / _labelled(target)


def focal(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean focal loss over labelled pixels; 0 when there are none.

    `alpha * (1 - p)^gamma * cross-entropy` with p the probability of the right class.
    """
    losses = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")  # (N, H, W)
    scaled = FOCAL_ALPHA * (1 - torch.exp(-losses)) ** FOCAL_GAMMA * losses
    if weights is not None:
        scaled = scaled * weights[target.clamp(max=len(weights) - 1)]  # ignored pixels lose 0
    return scaled.sum() / _labelled(target)


def cross_entropy_and_dice(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return cross-entropy plus Dice loss, to which a small class counts as much as a large one."""
    return cross_entropy(logits, target, weights) + dice(logits, target)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Dice loss over labelled pixels, the mean over the classes present in the labels.

    Per class `1 - (2 * sum(p * y) + 1) / (sum(p) + sum(y) + 1)`, with p the softmax and y the
    label, summed over the whole batch; 0 when nothing is labelled (Milletari et al. 2016).

    Args:
        logits: (N, C, H, W).
        target: (N, H, W) class indices, 255 ignored.
    """
    labelled = (target != IGNORE)[:, None]
    classes = torch.arange(logits.shape[1], device=logits.device)[None, :, None, None]
    truth = (target[:, None] == classes).to(logits.dtype)  # (N, C, H, W); ignored: none
    probabilities = logits.softmax(1) * labelled
    common, shown = (probabilities * truth).sum((0, 2, 3)), truth.sum((0, 2, 3))
    losses = 1 - (2 * common + 1) / (probabilities.sum((0, 2, 3)) + shown + 1)
    present = shown > 0
    return (losses * present).sum() / present.sum().clamp(min=1)


def balanced_weights(pixels: Sequence[int]) -> Tensor:
    """Return weights by the inverse square root of the classes' frequencies.

    The root tempers: full inverse weights let a handful of pixels steer. Classes without a pixel
    weigh 0, the others 1 on average over the labelled pixels; without any pixel all weigh 1. With
    90 and 10 pixels the weights are 0.83 and 2.5.

    Args:
        pixels: Labelled pixels per class.
    """
    counts = torch.tensor(pixels, dtype=torch.float64)
    if not bool(counts.any()):  # a tile set that says nothing of its labels
        return torch.ones(len(pixels))
    weights = torch.where(counts > 0, counts.clamp(min=1).rsqrt(), 0.0)
    return (weights * counts.sum() / (weights * counts).sum()).float()


def _labelled(target: Tensor) -> Tensor:
    """Return the number of labelled pixels, 1 when there are none.

    Weights are 1 on average over the training data, and so the mean over pixels is right for them
    as well. A mean by the weights of each batch would take the weight of rare classes away again: a
    batch that shows nothing but water would count as much as one full of roads.
    """
    return (target != IGNORE).sum().clamp(min=1)


LOSSES: dict[Loss, Callable[..., Tensor]] = {
    "cross-entropy": cross_entropy,
    "focal": focal,
    "cross-entropy+dice": cross_entropy_and_dice,
}
