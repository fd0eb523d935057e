"""One return to the last checkpoint when training diverges."""

from dnas_cli.console import logger
from dnas_cli.training.checkpoint import restore
from dnas_cli.training.finite import DivergedError
from dnas_cli.training.job import Job
from dnas_cli.training.progress import Progress

BACK_OFF_FACTOR = 0.1


def back_off(error: DivergedError, job: Job, progress: Progress) -> Progress:
    """Return to the last good checkpoint, once, with a lower learning rate.

    Raises:
        DivergedError: That is not allowed, or has happened already.
    """
    if not job.may_back_off or progress.rate_factor < 1.0:
        raise error
    back = restore(job.files.load_last(), job.steps, job.identity, str(job.files.last))
    assert back is not None
    back.rate_factor = BACK_OFF_FACTOR
    logger.warning(
        "%s: %s Returns to epoch %d, step %d, and continues with %g of the learning rate.",
        job.title,
        error.what,
        back.epoch + 1,
        back.step,
        BACK_OFF_FACTOR,
    )
    return back
