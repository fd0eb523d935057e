"""Kill commands at random points, many times, and compare what they end with: `make torture`.

Every stage of a run is started from the same beginning, killed again and again at random points,
and then let finish by the same command. All bytes must be those of a stage that nothing happened
to. Then every parser is given mutated files. Prints a table.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from tests.support.killing import NEVER, End, Point, any_point, run
from tests.support.mutation import TARGETS, Tally, build_fixture, fuzz
from tests.support.same_bits import differences

_MEMORY = "/dev/shm"  # kills are the same there, and no disk is worn

CPU = ("--device", "cpu")
QUICK = ("--epochs", 3, "--logits-from", 2, "--batch", 4, *CPU)
OFTEN = ("--checkpoint-every", 0)
PLAIN, LOW = ("--memory", "plain"), ("--memory", "low")  # elsewhere fast, as by default
SIZE = ("--layers", 3, "--width", 4)


@dataclass(frozen=True)
class Stage:
    """A command, what it starts from and what it makes.

    Attributes:
        name: For the table.
        arguments: Of the command, in the folder of the case.
        makes: The folder to compare, within the folder of the case.
        kills: Most kills per case.
    """

    name: str
    arguments: tuple[object, ...]
    makes: str = "run"
    kills: int = 4


STAGES = (
    Stage("tile", ("tile", "scenes", "--out", "tiles", "--size", 32, "--workers", 1), "tiles"),
    Stage(
        "search 1",
        ("search", "run", "--stage", 1, "--data", "tiles", *SIZE, *QUICK, *OFTEN, *PLAIN),
    ),
    Stage("decode 1", ("decode", "run", "--stage", 1), kills=1),
    Stage("encode 2", ("encode", "run", "--stage", 2), kills=1),
    Stage("search 2", ("search", "run", "--stage", 2, *QUICK, *OFTEN, *LOW)),
    Stage("decode 2", ("decode", "run", "--stage", 2), kills=1),
    Stage("search 3", ("search", "run", "--stage", 3, *QUICK, *OFTEN)),
    Stage("extend 3", ("search", "run", "--stage", 3, "--extend", 1, *OFTEN), kills=2),
    Stage(
        "restart 3",
        ("search", "run", "--stage", 3, "--restart", "--overwrite", *QUICK, *OFTEN),
        kills=2,
    ),
    Stage("decode 3", ("decode", "run", "--stage", 3), kills=1),
    Stage("branch", ("search", "run", "--stage", 3, "--branch", "child", *QUICK), "child", 2),
    Stage(
        "retrain",
        ("retrain", "run", "--epochs", 3, "--batch", 4, "--keep", "average", *CPU, *OFTEN, *LOW),
    ),
)


@dataclass
class Kills:
    """What became of the cases of a stage."""

    cases: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)


def main() -> int:
    """Run all, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="kills in all")
    parser.add_argument("--mutations", type=int, default=5000, help="mutated files in all")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", default=_MEMORY if Path(_MEMORY).is_dir() else None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="dnas-torture-", dir=asked.folder) as folder:
        place, killed, mutated = Path(folder), {}, {}
        if asked.kills:
            killed = torture_stages(place / "kills", asked.kills, random.Random(seed))
        if asked.mutations:
            mutated = torture_parsers(place / "files", asked.mutations, random.Random(seed))
    return _report(killed, mutated)


def torture_stages(folder: Path, kills: int, rng: random.Random) -> dict[str, Kills]:
    """Run every stage once whole, and many times killed, sharing `kills` among them."""
    before, results = folder / "begin", {stage.name: Kills() for stage in STAGES}
    _scenes(before / "scenes")
    beginnings: list[tuple[Stage, Path, Path, End]] = []
    for number, stage in enumerate(STAGES):
        after = folder / f"whole-{number}"
        shutil.copytree(before, after)
        whole = _run_in(after, stage)
        if whole.code != 0:
            raise SystemExit(f"{stage.name} does not work at all:\n{whole.output}")
        beginnings.append((stage, before, after, whole))
        before = after
    todo = kills
    while todo > 0:
        for stage, start, end, whole in beginnings:
            used = _case(folder, stage, start, end, whole, rng, results[stage.name])
            todo -= used
            if todo <= 0:
                break
    return results


def _case(
    folder: Path,
    stage: Stage,
    start: Path,
    end: Path,
    whole: End,
    rng: random.Random,
    result: Kills,
) -> int:
    case = folder / "case"
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(start, case)
    points = [any_point(whole, rng) for _ in range(rng.randint(1, stage.kills))]
    used = 0
    for point in points:
        outcome = _run_in(case, stage, point)
        if outcome.code is None:
            used += 1
        elif outcome.code == 0:
            break
        else:
            result.lost.append(f"{stage.name}: exit {outcome.code} ({points}): {outcome.output}")
            break
    else:
        outcome = _run_in(case, stage)
        if outcome.code != 0:
            result.lost.append(f"{stage.name}: exit {outcome.code} ({points}): {outcome.output}")
    result.cases += 1
    result.kills += used
    if wrong := differences(case / stage.makes, end / stage.makes):
        result.lost.append(f"{stage.name}: {points} changed {', '.join(wrong)}")
    return max(used, 1)


def _run_in(case: Path, stage: Stage, point: Point = NEVER) -> End:
    before = Path.cwd()
    os.chdir(case)
    arguments = stage.arguments
    if "--extend" in arguments and _is_extended(case):
        arguments = ("search", "run", "--stage", 3, *OFTEN)  # again, it would extend once more
    try:
        return run([str(item) for item in arguments], case.parent, point)
    finally:
        os.chdir(before)


def _is_extended(case: Path) -> bool:
    record = json.loads((case / "run/run.json").read_text())["stages"]["stage3"]
    return bool(record["extensions"])


def torture_parsers(folder: Path, cases: int, rng: random.Random) -> dict[str, Tally]:
    """Give every parser mutated files, sharing `cases` among them."""
    folder.mkdir(parents=True)
    real = Path(__file__).resolve().parents[2] / "shared" / "data"
    process = os.fork()  # forked processes must not inherit threads that torch starts
    if process == 0:
        build_fixture(folder, real if real.is_dir() else None)
        os._exit(0)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the files to mutate could not be made")
    return {
        target.name: fuzz(target, folder, max(1, cases // len(TARGETS)), rng) for target in TARGETS
    }


def _scenes(folder: Path) -> None:
    from dnas_cli.demo.scenes import write_scenes

    write_scenes(folder, 0, range(6), 96)


def _report(killed: dict[str, Kills], mutated: dict[str, Tally]) -> int:
    print(f"\n{'killed':<24}{'kills':>8}{'cases':>8}{'survived':>10}{'lost':>6}")
    for name, item in [*killed.items(), ("all", _sum(killed.values()))]:
        survived = item.cases - len(item.lost)
        print(f"{name:<24}{item.kills:>8}{item.cases:>8}{survived:>10}{len(item.lost):>6}")
    print(f"\n{'mutated':<24}{'cases':>8}{'refused':>10}{'harmless':>10}{'failed':>8}")
    total = Tally()
    for tally in mutated.values():
        total.add(tally)
    for name, tally in [*mutated.items(), ("all", total)]:
        counts = f"{tally.cases:>8}{tally.refused:>10}{tally.harmless:>10}{len(tally.failed):>8}"
        print(f"{name:<24}{counts}")
    failures = [text for item in killed.values() for text in item.lost]
    failures += [text for tally in mutated.values() for text in tally.failed]
    for text in failures:
        print(f"\n{text}")
    return 1 if failures else 0


def _sum(items: Iterable[Kills]) -> Kills:
    total = Kills()
    for item in items:
        total.cases += item.cases
        total.kills += item.kills
        total.lost += item.lost
    return total


if __name__ == "__main__":
    sys.exit(main())
