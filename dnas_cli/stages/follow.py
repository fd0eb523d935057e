"""Following the first of several processes: taking part in its trainings."""

import logging
from pathlib import Path

from dnas_cli import console
from dnas_cli.errors import DnasError, Interrupted
from dnas_cli.interruption import Interruption
from dnas_cli.run.directory import open_run
from dnas_cli.run.settings import RetrainSettings, SearchSettings, Settings
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.retrain import Retraining
from dnas_cli.stages.search import Search
from dnas_cli.stages.train_stage import Part, Stage
from dnas_cli.stages.training_setup import seed_everything, training_steps
from dnas_cli.stages.validation import validator
from dnas_cli.training.finite import DivergedError
from dnas_cli.training.job import Job
from dnas_cli.training.loop import train
from dnas_cli.training.rank_messages import Messages
from dnas_cli.training.ranks import LostRankError, Ranks, computing_threads, leave
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.torch_errors import deterministic
from dnas_cli.typed_fields import build


def follow() -> int:
    """Take part in the trainings of the first process until it ends; return its exit code.

    Raises:
        DnasError: This process cannot continue; the others stop at their next step.
    """
    console.configure(logging.ERROR)
    messages = Messages()
    try:
        while True:
            try:
                message = messages.receive()
                if isinstance(message, int):
                    return message
                _take_part(build(Part, message), messages.ranks)
            except (Interrupted, DivergedError):
                continue  # all processes stop so, and the first one says how its command ends
            except LostRankError:
                if (code := messages.exit_code()) is None:
                    raise
                return code
    except DnasError as error:
        error.what = f"process {messages.ranks.number} of {messages.ranks.count}: {error.what}"
        raise
    finally:
        leave()


def _take_part(part: Part, ranks: Ranks) -> None:
    if part.stage == "retrain":
        _train(Retraining(), build(RetrainSettings, part.settings), part, ranks)
    else:
        _train(Search(int(part.stage[-1])), build(SearchSettings, part.settings), part, ranks)


def _train(stage: Stage[Settings], settings: Settings, part: Part, ranks: Ranks) -> None:
    run, (device, workers) = open_run(Path(part.run)), part.compute.resolve()
    with (
        Interruption() as interruption,
        deterministic(part.compute.deterministic),
        computing_threads(part.threads),
    ):
        tiles = linked_tile_set(run)
        seed_everything(settings.seed, stage.stream)
        built = stage.build(run, tiles, settings)
        network = built.network.to(device)
        job = Job(
            title=stage.title,
            steps=training_steps(network, tiles, settings, device, workers, part.mode),
            schedule=Schedule(settings, part.extensions),
            files=StageFiles(run.stage_folder(stage.name), ranks),
            identity=built.identity,
            validate=validator(network, tiles, device, settings, ranks),
            describe=built.describe,
            resume_command="",
            on_epoch=lambda done: None,
            interruption=interruption,
            checkpoint_every=float("inf"),
            may_back_off=part.compute.on_divergence == "backoff",
            ranks=ranks,
        )
        train(job)
