"""Decoding: from a stage's trained logits to its coding."""

from dataclasses import replace
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.files import remove_leftovers
from dnas_cli.json_files import write_json
from dnas_cli.run.branch import branch
from dnas_cli.run.command_log import record_command
from dnas_cli.run.directory import CODINGS, Run, check_stage, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.run.manifest import StageRecord
from dnas_cli.run.rows import RESTORE, best_row, read_logits, read_rows
from dnas_cli.space.candidates import candidates as likely_codings
from dnas_cli.space.coding import Coding, SearchSpace
from dnas_cli.space.decoding import ConnectionRule
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.decode_options import DecodeOptions
from dnas_cli.typed_fields import SettingValue, completed

_TARGETS = ("target_macs", "target_ms")


def decode(root: Path, stage: int, options: DecodeOptions | None = None) -> tuple[Run, Coding]:
    """Decode a stage's logits and write the coding.

    Raises:
        RunStateError: The search is not finished, another coding exists, or later stages build on
            it.
        UsageError: There is no such epoch.
    """
    check_stage(stage)
    given = completed(DecodeOptions, options or {})
    epoch, rule, overwrite = str(given["epoch"]), given["rule"], given["overwrite"]
    candidates, target_macs = given["candidates"], given["target_macs"]
    if target_macs is not None and candidates > 1:
        raise UsageError(
            f"target_macs={target_macs:g}: goes with one candidate.", "Leave candidates=... out."
        )
    if rule != "positive" and stage != 2:
        raise UsageError(f"rule={rule}: is for stage 2, the connections.", "Leave it out.")
    if given["branch"] is not None:
        parent = open_run(root)
        check_epoch(parent, stage, epoch)
        child = branch(parent, Path(given["branch"]), stage, stage - 1)
        return decode(child.root, stage, given | {"branch": None, "overwrite": False})
    run, name = open_run(root), f"stage{stage}"
    record = run.record(name)
    if record is None or not record.finished:
        raise RunStateError(
            f"{root}: the search of stage {stage} is not finished.",
            f"Run: dnas search {root} --stage {stage}",
        )
    space = run.space(stage)
    chosen, logits = _logits(run, name, epoch)
    aimed = {key: record.settings[key] for key in _TARGETS if record.settings.get(key)}
    most = None if target_macs is None else int(target_macs)
    if most is not None:
        aimed = {"target_macs": most}
    if aimed and candidates > 1:
        raise UsageError(
            f"candidates={candidates}: a search with a target has one.", "Leave it out."
        )
    try:
        if aimed:
            found = [_within(run, space, logits, record, most, rule)]
        else:
            found = likely_codings(space, logits, candidates, chosen, rule)
    except KeyError as error:
        raise DataError(
            f"{run.stage_folder(name) / 'logits.jsonl'}: lacks the logit {error} of the space."
        ) from error
    coding = found[0]
    if len(found) > 1:
        from dnas_cli.stages.score_candidates import scored_candidates

        found = scored_candidates(run, stage, found, given["device"])
        coding = found[0]
    path = run.coding_path(CODINGS[stage])
    with stage_lock(run, name):
        if open_run(root).record(name) != record:
            raise RunStateError(
                f"{root}: stage {stage} was started over.", "Run the command again."
            )
        if path.is_file() and type(coding).read(path) != coding:
            _refuse_other(run, stage, path, overwrite)
        ranked = run.coding_path("candidates")
        remove_leftovers(ranked.parent, ranked.name)
        if stage == 3 and len(found) > 1:  # a tournament starts with the best of them
            write_json(ranked, [item.to_json() for item in found])
        coding.write(path)
        decoded: dict[str, SettingValue] = {"epoch": chosen + 1}
        if len(found) > 1:
            decoded["candidates"] = len(found)
        decoded |= aimed
        if stage == 2:
            decoded["rule"] = rule
        run.set_record(name, replace(record, phase="decoded", decoded=decoded))
        record_command(run, name, "decoding", record.epochs_done)
    logger.info("%s: decoded from the logits of epoch %d.", path, chosen + 1)
    logger.info("Next: %s", run.next_command())
    return run, coding


def _within(
    run: Run,
    space: SearchSpace,
    logits: dict[str, float],
    record: StageRecord,
    target_macs: int | None,
    rule: ConnectionRule,
) -> Coding:
    from dnas_cli.run.settings import SearchSettings
    from dnas_cli.stages.cost_target import cost_target
    from dnas_cli.stages.decode_within import decode_within
    from dnas_cli.training.settings_choice import SettingsChoice

    settings = SettingsChoice().resolve(SearchSettings, record.settings)
    if target_macs is not None:
        settings = replace(settings, target_macs=str(target_macs), target_ms=0.0)
    target = cost_target(run, linked_tile_set(run), settings)
    assert target is not None
    return decode_within(space, logits, target.table, target.cost, rule)


def check_epoch(run: Run, stage: int, epoch: str, option: str = "epoch") -> None:
    """Refuse an epoch that a finished search does not have, before it is used.

    Args:
        stage: 1, 2 or 3.
        epoch: As in `decode`.
        option: Its option, for the message.

    Raises:
        UsageError: There is no such epoch.
        DataError: The file of the logits is damaged.
    """
    record = run.record(f"stage{stage}")
    if record is not None and record.finished:
        _logits(run, f"stage{stage}", epoch, option)


def _refuse_other(run: Run, stage: int, path: Path, overwrite: bool) -> None:
    if run.has_after(f"stage{stage}"):
        raise RunStateError(
            f"{path}: exists with other content, and later stages build on it.",
            f"Branch: dnas decode {run.root} --stage {stage} --branch NEW_RUN",
        )
    if not overwrite:
        raise RunStateError(
            f"{path}: exists with other content.",
            "Give overwrite=True to replace it, or branch=NEW_RUN to keep both.",
        )


def _logits(run: Run, name: str, epoch: str, option: str = "epoch") -> tuple[int, dict[str, float]]:
    """Return an epoch (from 0) and its logits."""
    folder = run.stage_folder(name)
    rows = {row["epoch"]: row["logits"] for row in read_logits(folder / "logits.jsonl")}
    if not rows:
        raise DataError(f"{folder / 'logits.jsonl'}: is missing, or empty.", RESTORE)
    if epoch == "last":
        chosen = max(rows)
    elif epoch == "best":
        best = best_row(read_rows(folder / "history.jsonl"))
        if best is None:
            raise UsageError("epoch=best: no epoch of this stage was validated.")
        chosen = best["epoch"]
    elif epoch.isdecimal() and len(epoch) < 10:
        chosen = int(epoch) - 1
    else:
        raise UsageError(f"{option}={epoch}: give last, best or a number.")
    if chosen not in rows:
        raise UsageError(f"{option}={epoch}: this stage has logits of epochs 1 to {max(rows) + 1}.")
    return chosen, rows[chosen]
