"""Disturb commands at random points, many times, and compare what they end with: `make torture`.

Every command of a run starts from the same beginning. It is killed again and again; one of its
calls to the system fails; the power is cut, and what was not flushed is lost; the disk runs full;
a loading process dies. Then the same command may finish. All bytes must be those of a command that
nothing happened to, and an error is one message. Two commands that make the same run start at the
same moment. Last, every parser is given mutated files. Prints a table.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from tests.support import failing_calls
from tests.support.disturbing import (
    EACH_KIND,
    Disturbed,
    cut_power,
    disturb_workers,
    fail_calls,
    fill_disk,
    kill,
)
from tests.support.files_to_mutate import build_fixture
from tests.support.mutation import TARGETS, Tally, fuzz
from tests.support.racing import race
from tests.support.tortured import STAGES, begin, load

_MEMORY = "/dev/shm"  # kills are the same there, and no disk is worn
_EVERY = 10**9


def main() -> int:
    """Run all, print the tables, and return the exit code."""
    asked = _arguments()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    with tempfile.TemporaryDirectory(prefix="dnas-torture-", dir=asked.folder) as folder:
        place = Path(folder)
        if failing_calls.can_be_loaded() and not failing_calls.is_loaded():
            given = [*sys.argv[1:], "--seed", str(seed)]
            failing_calls.load_and_run_again(place, "tests.torture", given)
        library = Path(os.environ.pop("LD_PRELOAD", ""))  # processes forked from this one have it
        if library.name == failing_calls.LIBRARY:
            shutil.rmtree(library.parent)
        print(f"seed {seed}", flush=True)
        failures = [*_disturbed(place / "commands", asked, random.Random(seed))]
        if asked.mutations:
            failures += _mutated(place / "files", asked.mutations, random.Random(seed))
    for text in failures:
        print(f"\n{text}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)

    def count(text: str) -> int:
        return {"all": _EVERY, "each": EACH_KIND}.get(text) or int(text)

    parser.add_argument("--kills", type=int, default=0, help="kills in all")
    parser.add_argument(
        "--failures", type=count, default=0, help="failing calls in all; `all`; `each` kind"
    )
    parser.add_argument("--cuts", type=int, default=0, help="power cuts in all")
    parser.add_argument("--disks", type=int, default=0, help="full disks in all")
    parser.add_argument("--workers", type=int, default=0, help="disturbed workers in all")
    parser.add_argument("--races", type=int, default=0, help="pairs of commands at one moment")
    parser.add_argument("--mutations", type=int, default=0, help="mutated files in all")
    every = ",".join(stage.name for stage in STAGES)
    parser.add_argument("--commands", default=every, help="names of the commands, with commas")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", default=_MEMORY if Path(_MEMORY).is_dir() else None)
    return parser.parse_args()


def _disturbed(folder: Path, asked: argparse.Namespace, rng: random.Random) -> Iterator[str]:
    """Disturb commands in every way that is asked for, and yield what is wrong."""
    kinds = {
        "killed": (asked.kills, kill),
        "calls that failed": (asked.failures, fail_calls),
        "power cuts": (asked.cuts, cut_power),
        "full disks": (asked.disks, fill_disk),
        "workers disturbed": (asked.workers, disturb_workers),
        "races": (asked.races, race),
    }
    if not any(count for count, _ in kinds.values()):
        return
    beginnings = begin(folder, asked.commands.split(","))
    for name, (count, disturb) in kinds.items():
        if count:
            results = disturb(folder, beginnings, count, rng)
            _print_disturbed(name, results)
            for result in results.values():
                yield from result.failures


def _mutated(folder: Path, cases: int, rng: random.Random) -> list[str]:
    """Give every parser mutated files, sharing `cases` among them; return what is wrong."""
    folder.mkdir(parents=True)
    load(all_commands=True)
    real = Path(__file__).resolve().parents[2] / "shared" / "data"
    process = os.fork()  # forked processes must not inherit threads that torch starts
    if process == 0:
        build_fixture(folder, real if real.is_dir() else None)
        os._exit(0)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the files to mutate could not be made")
    mutated = {
        target.name: fuzz(target, folder, max(1, cases // len(TARGETS)), rng) for target in TARGETS
    }
    print(f"\n{'mutated':<24}{'cases':>8}{'refused':>10}{'harmless':>10}{'failed':>8}")
    total = Tally()
    for tally in mutated.values():
        total.add(tally)
    for name, tally in [*mutated.items(), ("all", total)]:
        counts = f"{tally.cases:>8}{tally.refused:>10}{tally.harmless:>10}{len(tally.failed):>8}"
        print(f"{name:<24}{counts}", flush=True)
    return [text for tally in mutated.values() for text in tally.failed]


def _print_disturbed(kind: str, results: dict[str, Disturbed]) -> None:
    titles = ("times", "cases", "lost", "hung", "tracebacks", "messages")
    print(f"\n{kind:<24}" + "".join(f"{title:>12}" for title in titles))
    total = Disturbed()
    for item in results.values():
        total.add(item)
    for name, item in [*results.items(), ("all", total)]:
        numbers = (item.times, item.cases, *map(len, (item.lost, item.hung)))
        numbers += (len(item.tracebacks), len(item.messages))
        if item.cases:
            print(f"{name:<24}" + "".join(f"{number:>12}" for number in numbers), flush=True)


if __name__ == "__main__":
    sys.exit(main())
