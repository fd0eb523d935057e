"""A tournament before the retraining: the best candidates and random architectures start together.

Successive halving (Jamieson and Talwalkar 2016): all train by the same recipe, and after each round
the better half on validation stays. The winner continues where it is, so its model has the bits of
a plain retraining of its architecture.
"""

import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dnas_cli.console import logger
from dnas_cli.errors import DataError, Interrupted, UsageError
from dnas_cli.files import atomic_path, make_folder
from dnas_cli.json_files import write_json
from dnas_cli.run.directory import Run
from dnas_cli.run.rows import best_row, read_rows
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.equal_networks import draw_of_equal_cost, train_apart
from dnas_cli.stages.training_setup import network_shape
from dnas_cli.training.stage_files import StageFiles

_CANDIDATES = 3  # of the search, at most
_LAST_CUT = 0.25  # share of the epochs after which one is left


def hold_tournament(
    run: Run, settings: RetrainSettings, compute: ComputeOptions, resume_command: str
) -> bool:
    """Hold the tournament of a retraining, or resume it; the winner's training becomes the run's.

    Args:
        run: It has an architecture; its retraining is locked.
        settings: Of the retraining.
        compute: Device, workers and the like.
        resume_command: The command that resumes.

    Returns:
        Whether it was held now, so that the run's retraining starts from another network.

    Raises:
        Interrupted: A signal arrived; the next call resumes.
        UsageError: There are too few epochs for its rounds.
    """
    winner_file = run.winner_path
    if not settings.tournament or winner_file.is_file():
        return False
    folder = run.stage_folder("retrain")
    names = _contestants(run, settings)
    cuts = rounds(len(names), settings.epochs, settings.validate_every)
    plain, alive = asdict(settings), list(names)
    held: list[dict[str, Any]] = []
    for cut in cuts:
        scores = {}
        for name in alive:
            place = folder / "tournament" / name
            try:
                train_apart(run, place, names[name], plain, compute, until=cut)
            except Interrupted as error:
                raise Interrupted(error.what, f"Resume with: {resume_command}") from error
            scores[name] = _score(place, cut)
        held.append({"epochs": cut, "val_mean_iou": scores})
        alive = sorted(alive, key=lambda name: -scores[name])[: (len(alive) + 1) // 2]
        shown = ", ".join(f"{name} {score:.4f}" for name, score in scores.items())
        logger.info("tournament, after epoch %d: %s", cut, shown)
    (winner,) = alive
    logger.info("tournament: %s wins and continues.", winner)
    _adopt(folder / "tournament" / winner, folder)
    write_json(run.outcome_path, {"winner": winner, "rounds": held})
    names[winner].write(winner_file)  # last: from here on the tournament is held
    return True


def check_tournament(run: Run, settings: RetrainSettings) -> None:
    """Refuse a tournament that cannot be held, before anything is written.

    Raises:
        UsageError: There are too few epochs for its rounds.
    """
    if settings.tournament:
        contestants = 1 + len(_runners_up(run)) + settings.tournament
        rounds(contestants, settings.epochs, settings.validate_every)


def rounds(contestants: int, epochs: int, validate_every: int) -> list[int]:
    """Return the epochs after which the worse half leaves, until one is left.

    The last cut is after a quarter of the epochs, each earlier one after half as many; all are
    rounded up to epochs that are validated. With 8 contestants and 40 epochs: 3, 5, 10.

    Raises:
        UsageError: There are too few epochs.
    """
    count = (contestants - 1).bit_length()
    cuts = [
        validate_every * math.ceil(epochs * _LAST_CUT / 2**k / validate_every)
        for k in reversed(range(count))
    ]
    for k in range(1, count):  # rounding may have brought two together
        cuts[k] = max(cuts[k], cuts[k - 1] + validate_every)
    if cuts[-1] >= epochs:
        raise UsageError(
            f"epochs={epochs}: a tournament of {contestants} networks needs {count} rounds of at "
            f"least {validate_every} epochs, and a rest.",
            "Give more epochs, a smaller validate_every, or fewer random architectures.",
        )
    return cuts


def _contestants(run: Run, settings: RetrainSettings) -> dict[str, ArchitectureCoding]:
    """Return the found architecture, further candidates of the search, and random ones."""
    tiles, found = linked_tile_set(run), run.architecture()
    shape = network_shape(tiles, settings.width or run.manifest.width, settings)
    drawn = draw_of_equal_cost(
        found, shape, tiles.tile_size, settings.tournament, f"tournament {settings.seed}"
    )
    named = {"found": found}
    named |= {f"candidate-{k}": item for k, item in enumerate(_runners_up(run), 2)}
    return named | {f"random-{k}": item for k, item in enumerate(drawn, 1)}


def _runners_up(run: Run) -> list[ArchitectureCoding]:
    found = run.architecture().body()
    return [item for item in run.candidates() if item.body() != found][: _CANDIDATES - 1]


def _score(place: Path, epochs: int) -> float:
    """Return the best mean IoU of a contestant's first epochs; it may be further by now."""
    rows = read_rows(StageFiles(place / "retrain").history)
    best = best_row([row for row in rows if row["epoch"] < epochs])
    if best is None:
        raise DataError(
            f"{place}: was not scored, as no pixel of the validation split is labelled.",
            "A tournament needs labels there.",
        )
    return float(best["val"]["mean_iou"])


def _adopt(place: Path, folder: Path) -> None:
    """Copy the training of the winner; its checkpoints continue there."""
    own, files = StageFiles(place / "retrain"), StageFiles(folder)
    make_folder(folder)
    for name in ("last", "previous", "best", "history"):
        source, target = getattr(own, name), getattr(files, name)
        if source.is_file():
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
