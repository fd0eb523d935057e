"""The one training loop, for searches and retraining alike.

Everything that decides what comes next (weights, optimizers, random state, position in the data) is
in the checkpoint, and the order of samples depends on (seed, epoch) only: training that is stopped
at any step and started again goes on exactly as it would have.
"""

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError, Interrupted, RunStateError
from dnas_cli.metrics import Metrics
from dnas_cli.run.rows import write_row
from dnas_cli.training.interruption import Interruption
from dnas_cli.training.settings import TrainingSettings, settings_to_json
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import Steps


@dataclass
class Position:
    """How far training is.

    Attributes:
        epoch: The epoch under way, from 0.
        step: Steps done in it.
        sums: Sums of each loss over those steps, and how many there were.
        seconds: Time spent in the epoch so far.
        best_metric: Best mean IoU on the validation split so far.
        best_epoch: The epoch it was reached in; -1 before the first validation.
    """

    epoch: int = 0
    step: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    best_metric: float = -1.0
    best_epoch: int = -1


@dataclass(frozen=True)
class Job:
    """All that the loop needs.

    Attributes:
        title: What is trained, for progress and log.
        steps: What a step does.
        settings: Epochs, learning rates, validation.
        files: Where checkpoints and history go.
        identity: Hash of the space or architecture; a checkpoint of another is refused.
        validate: Scores the network on the validation split; None when no pixel is labelled.
        describe: Returns (facts for the history, logits for `logits.jsonl` if there are any).
        resume_command: How to go on after an interruption.
        on_epoch: Called with the number of epochs done after each.
        checkpoint_every: Seconds between checkpoints inside an epoch.
    """

    title: str
    steps: Steps
    settings: TrainingSettings
    files: StageFiles
    identity: str
    validate: Callable[[], Metrics | None]
    describe: Callable[[], tuple[dict[str, Any], dict[str, float] | None]]
    resume_command: str
    on_epoch: Callable[[int], None]
    checkpoint_every: float = 600.0


def train(job: Job) -> Position:
    """Train until the last epoch, from the last checkpoint if there is one.

    Raises:
        Interrupted: A signal came; the state is saved.
        RunStateError: The checkpoint belongs to something else.
        DnasError: The loss is not finite.
    """
    position = _resume(job)
    if position.epoch or position.step:
        logger.info("%s: goes on in epoch %d", job.title, position.epoch + 1)
    with Interruption() as interruption:
        while position.epoch < job.settings.epochs:
            _train_epoch(job, position, interruption)
            _finish_epoch(job, position)
            if interruption.requested and position.epoch < job.settings.epochs:
                raise _stopped(job, position)
    return position


def cosine(start: float, end: float, done: int, total: int) -> float:
    """Return the learning rate after `done` of `total` steps, from `start` to `end`."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done / total))


def _train_epoch(job: Job, position: Position, interruption: Interruption) -> None:
    steps, settings = job.steps, job.settings
    steps.network.train()
    started, saved = time.monotonic() - position.seconds, time.monotonic()
    label = f"{job.title}, epoch {position.epoch + 1} of {settings.epochs}"
    with progress(label, steps.per_epoch - position.step) as advance:
        for batches in steps.batches(position.epoch, position.step):
            done = position.epoch * steps.per_epoch + position.step
            rate = cosine(
                settings.learning_rate,
                settings.final_learning_rate,
                done,
                settings.epochs * steps.per_epoch,
            )
            for name, value in steps.step(batches, rate).items():
                entry = position.sums.setdefault(name, [0.0, 0])
                entry[0] += value
                entry[1] += 1
            position.step += 1
            position.seconds = time.monotonic() - started
            advance(1)
            if interruption.requested:
                _save_last(job, position)
                raise _stopped(job, position)
            if time.monotonic() - saved > job.checkpoint_every:
                _save_last(job, position)
                saved = time.monotonic()


def _finish_epoch(job: Job, position: Position) -> None:
    """Validate, write the epoch's rows, then the checkpoints; in this order, so that a crash in
    between repeats the end of the epoch and loses nothing."""
    epoch, settings, started = position.epoch, job.settings, time.monotonic()
    is_last = epoch + 1 == settings.epochs
    row: dict[str, Any] = {"epoch": epoch}
    row.update({name: total / count for name, (total, count) in position.sums.items()})
    row["learning_rate"] = cosine(
        settings.learning_rate, settings.final_learning_rate, epoch + 1, settings.epochs
    )
    facts, logits = job.describe()
    row.update(facts)
    metrics = job.validate() if is_last or (epoch + 1) % settings.validate_every == 0 else None
    if metrics is not None:
        row["val"] = _summary(metrics)
    row["seconds"] = round(position.seconds + time.monotonic() - started, 3)
    row["peak_memory_mb"] = round(_peak_memory(), 1)
    if logits is not None:
        write_row(job.files.logits, {"epoch": epoch, "logits": logits})
    write_row(job.files.history, row)
    if metrics is not None and metrics.mean_iou > position.best_metric:
        position.best_metric, position.best_epoch = metrics.mean_iou, epoch
        best = {"epoch": epoch, "mean_iou": metrics.mean_iou, "identity": job.identity}
        job.files.save(job.files.best, {**best, "network": job.steps.network.state_dict()})
    position.epoch, position.step, position.sums, position.seconds = epoch + 1, 0, {}, 0.0
    _save_last(job, position)
    job.on_epoch(position.epoch)
    _log(job, row)


def _log(job: Job, row: dict[str, Any]) -> None:
    parts = [f"loss {row['loss']:.4f}"] if "loss" in row else []
    if "logit_loss" in row:
        parts.append(f"logit loss {row['logit_loss']:.4f}")
    if "val" in row:
        parts.append(f"val mIoU {row['val']['mean_iou']:.4f}")
    if "entropy" in row:
        parts.append(f"entropy {row['entropy']:.3f}")
    if "path" in row.get("decoded", {}):
        parts.append(f"path {''.join(map(str, row['decoded']['path']))}")
    elif "operators" not in row.get("decoded", {"operators": None}):
        parts.append(f"{len(row['decoded']['edges'])} edges")
    logger.info("%s: epoch %d, %s", job.title, row["epoch"] + 1, ", ".join(parts))


def _summary(metrics: Metrics) -> dict[str, Any]:
    return {
        "mean_iou": metrics.mean_iou,
        "overall_accuracy": metrics.overall_accuracy,
        "iou": list(metrics.iou),
    }


def _stopped(job: Job, position: Position) -> Interrupted:
    where = f"epoch {position.epoch + 1}, step {position.step} of {job.steps.per_epoch}"
    return Interrupted(
        f"{job.title}: stopped at {where}; saved in {job.files.last}.",
        f"Go on with: {job.resume_command}",
    )


def _save_last(job: Job, position: Position) -> None:
    steps = job.steps
    content = {
        "identity": job.identity,
        "settings": settings_to_json(job.settings),
        "position": asdict(position),
        "network": steps.network.state_dict(),
        "optimizers": {name: item.state_dict() for name, item in steps.optimizers.items()},
        "scaler": steps.precision.state(),
        "random": _random_state(),
    }
    job.files.save(job.files.last, content)


def _resume(job: Job) -> Position:
    if not job.files.last.is_file():
        return Position()
    content = job.files.load(job.files.last)
    if content.get("identity") != job.identity:
        raise RunStateError(
            f"{job.files.last}: belongs to another space or architecture.",
            "Start this stage over with --overwrite, or branch.",
        )
    try:
        job.steps.network.load_state_dict(content["network"])
        for name, item in job.steps.optimizers.items():
            item.load_state_dict(content["optimizers"][name])
        job.steps.precision.load(content["scaler"])
        _set_random_state(content["random"])
        return Position(**content["position"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{job.files.last}: is not a valid checkpoint ({error}).") from error


def _random_state() -> dict[str, Any]:
    """Return torch's random states; sampling and augmentation are functions of (seed, epoch)."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


def _peak_memory() -> float:
    """Return the peak memory so far in MB: of the GPU where one is used, else of the process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
