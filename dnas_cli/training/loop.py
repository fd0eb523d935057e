"""The training loop of searches and retraining.

The complete state (weights, optimizers, random state, position in the data) is in the checkpoint,
and the order of samples depends on (seed, epoch) only: training that is stopped at any step and
resumed gives the same bits as uninterrupted training.
"""

import time
from typing import cast

import torch

from dnas_cli import console
from dnas_cli.console import logger
from dnas_cli.container import peak_memory
from dnas_cli.errors import Interrupted
from dnas_cli.run.rows import EpochRow, read_rows
from dnas_cli.shown_time import shown_time
from dnas_cli.space.coding import CodingBody
from dnas_cli.training.checkpoint import restore, snapshot
from dnas_cli.training.divergence import back_off
from dnas_cli.training.early_end import early_end
from dnas_cli.training.finite import DivergedError, check_weights
from dnas_cli.training.job import Asked, Job
from dnas_cli.training.losses import UnreadLosses
from dnas_cli.training.progress import Progress
from dnas_cli.training.stage_files import Checkpoint
from dnas_cli.training.time_left import Pace
from dnas_cli.training.torch_errors import explained

_LOSSES_AT_A_TIME = 50  # steps; reading a loss waits for an accelerator


class StoppedError(Exception):
    """A signal stopped the validation."""


def train(job: Job) -> Progress:
    """Train until the job's last epoch, from the last good checkpoint if there is one.

    However it ends, no loading process is left.

    Raises:
        Interrupted: A signal arrived; the state is saved.
        RunStateError: The checkpoint belongs to another space or architecture.
        DivergedError: A loss or a weight is not finite; the last good checkpoint is intact.
    """
    try:
        return _train(job)
    finally:
        job.steps.close()


def _train(job: Job) -> Progress:
    progress = restore(job.files.load_last(), job.steps, job.identity, str(job.files.last))
    if progress is None:
        progress = Progress()
        _save(job, progress)
    else:
        logger.info(
            "%s: resumes in epoch %d, step %d", job.title, progress.epoch + 1, progress.step + 1
        )
    pace = Pace(job.schedule.settings, job.schedule.epochs)
    while progress.epoch < job.stop:
        reason = _early_end(job, progress) if job.ranks.is_first else ""
        if job.schedule.settings.patience and job.ranks.any(bool(reason))[0]:
            logger.info(
                "%s: ends early, after epoch %d of %d: %s",
                job.title, progress.epoch, job.schedule.epochs, reason,
            )  # fmt: skip
            break
        try:
            with explained():
                _train_epoch(job, progress, pace)
                _finish_epoch(job, progress, pace)
        except StoppedError:
            raise _stopped(job, progress) from None
        except KeyboardInterrupt:
            raise Interrupted(
                f"{job.title}: stopped at once; the last checkpoint is intact.",
                f"Resume with: {job.resume_command}",
            ) from None
        except DivergedError as error:
            progress = back_off(error, job, progress)
            _save(job, progress)
        if job.asked().stop and progress.epoch < job.stop:
            raise _stopped(job, progress)
    return progress


def _early_end(job: Job, progress: Progress) -> str:
    """Return why the training ends before its last epoch; empty if it does not."""
    settings = job.schedule.settings
    if not settings.patience or job.schedule.extensions:
        return ""
    rows = [row for row in read_rows(job.files.history) if row["epoch"] < progress.epoch]
    return early_end(settings, rows)


def _train_epoch(job: Job, progress: Progress, pace: Pace) -> None:
    steps, schedule, losses = job.steps, job.schedule, UnreadLosses()
    interval = 1 if steps.device.type == "cpu" else _LOSSES_AT_A_TIME
    steps.network.train()
    started, saved = time.monotonic() - progress.seconds, time.monotonic()
    label = f"{job.title}, epoch {progress.epoch + 1} of {schedule.epochs}"
    label += _left(job, pace, progress.epoch)
    with console.progress(label, steps.per_epoch - progress.step) as advance:
        for batches in steps.batches(progress.epoch, progress.step):
            done = progress.epoch + progress.step / steps.per_epoch
            losses.append(steps.step(batches, schedule.rate(done) * progress.rate_factor))
            progress.step += 1
            progress.seconds = time.monotonic() - started
            advance(1)
            asked = job.asked(due=time.monotonic() - saved > job.checkpoint_every)
            if asked.saves or len(losses) == interval:
                losses.read(progress)
            if asked.saves:
                _save_as_asked(job, progress, asked)
                saved = time.monotonic()
    losses.read(progress)


def _save_as_asked(job: Job, progress: Progress, asked: Asked) -> None:
    """Save.

    Raises:
        StoppedError: A signal asked to stop.
    """
    _save(job, progress)
    if asked.stop:
        raise StoppedError
    if asked.save:
        logger.info(
            "%s: saved in epoch %d, step %d, as asked", job.title, progress.epoch + 1, progress.step
        )


def _finish_epoch(job: Job, progress: Progress, pace: Pace) -> None:
    """Validate, write the epoch's rows, then the checkpoints.

    In this order, a crash in between repeats the end of the epoch and loses or doubles nothing.
    """

    def check_interruption() -> None:
        asked = job.asked()
        if asked.saves:
            _save_as_asked(job, progress, asked)

    epoch, settings, started = progress.epoch, job.schedule.settings, time.monotonic()
    check_weights(job.steps.network)
    is_last = epoch + 1 == job.schedule.epochs
    wanted = is_last or (epoch + 1) % settings.validate_every == 0
    metrics = job.validate(check_interruption) if wanted else None
    description = job.describe()
    rate = job.schedule.rate(epoch + 1) * progress.rate_factor
    known = {"epoch": epoch, **progress.means(), "learning_rate": rate, **description.facts}
    row = cast(EpochRow, known)
    if progress.rate_factor != 1.0:
        row["rate_factor"] = progress.rate_factor
    if description.warning:
        row["warning"] = description.warning
        logger.warning("%s: %s", job.title, description.warning)
    if metrics is not None:
        row["val"] = {
            "mean_iou": metrics.mean_iou,
            "overall_accuracy": metrics.overall_accuracy,
            "iou": list(metrics.iou),
        }
    validation = time.monotonic() - started
    pace.count(epoch, progress.seconds, validation if wanted else 0.0)
    row["seconds"] = round(progress.seconds + validation, 3)
    row["peak_memory_mb"] = round(_peak_memory(), 1)
    if description.logits is not None:
        job.files.write_logits({"epoch": epoch, "logits": description.logits})
    job.files.write_history(row)
    if metrics is not None and metrics.mean_iou > progress.best_metric:
        progress.best_metric, progress.best_epoch = metrics.mean_iou, epoch
        state, score = job.steps.network.state_dict(), metrics.mean_iou
        best: Checkpoint = {"epoch": epoch, "mean_iou": score, "identity": job.identity}
        job.files.save_best({**best, "network": state})
    progress.next_epoch()
    _save(job, progress)
    job.on_epoch(progress.epoch)
    _log(job, row, progress, pace)


def _save(job: Job, progress: Progress) -> None:
    check_weights(job.steps.network)  # a return to this checkpoint relies on it
    job.files.save_last(snapshot(job.steps, job.identity, progress))


def _stopped(job: Job, progress: Progress) -> Interrupted:
    where = f"epoch {progress.epoch + 1}, step {progress.step} of {job.steps.per_epoch}"
    return Interrupted(
        f"{job.title}: stopped in {where}; saved in {job.files.last}.",
        f"Resume with: {job.resume_command}",
    )


def _left(job: Job, pace: Pace, epoch: int) -> str:
    """Return the time left for the stage and, by the plan, for the run; empty if unknown."""
    left, later = pace.left(epoch), job.seconds_after()
    if left is None:
        return ""
    of_run = "" if later is None else f" (run {shown_time(left + later)})"
    return f", {shown_time(left)} left{of_run}"


def _log(job: Job, row: EpochRow, progress: Progress, pace: Pace) -> None:
    parts = [f"loss {row['loss']:.4f}"] if "loss" in row else []
    if "logit_loss" in row:
        parts.append(f"logit loss {row['logit_loss']:.4f}")
    if "val" in row:
        best = f"best {progress.best_metric:.4f} in epoch {progress.best_epoch + 1}"
        best = "best so far" if progress.best_epoch == row["epoch"] else best
        parts.append(f"val mIoU {row['val']['mean_iou']:.4f} ({best})")
    if "entropy" in row:
        parts.append(f"entropy {row['entropy']:.3f}")
    decoded: CodingBody = row.get("decoded", {})
    if "path" in decoded:
        parts.append(f"path {''.join(map(str, decoded['path']))}")
    elif decoded and "operators" not in decoded:
        parts.append(f"{len(decoded['edges'])} edges")
    parts.append(f"rate {row['learning_rate']:.2g}")
    text = f"{', '.join(parts)}, {shown_time(row['seconds'])}{_left(job, pace, progress.epoch)}"
    logger.info("%s: epoch %d of %d, %s", job.title, row["epoch"] + 1, job.schedule.epochs, text)


def _peak_memory() -> float:
    """Return the peak memory so far in MB: of the GPU if one is used, else of the process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e6
    return peak_memory() / 1e6
