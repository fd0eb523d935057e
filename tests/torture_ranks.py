"""Kill trainings by several processes at random, resume them with other numbers: `make torture`.

Every case trains a stage in one process, and again by random numbers of processes, of which one is
killed, or gets a signal, at a random moment; at last one process finishes. The bits must be the
same. Prints a table.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
# If one is killed before all have met, the others wait that long: by default as long as a test.
os.environ["DNAS_RANK_TIMEOUT"] = "90"

from dnas_cli.demo.scenes import write_scenes
from tests.support.same_bits import differences
from tests.support.several import Several, several
from tests.support.small_codings import ARCHITECTURE

OFTEN = ("--checkpoint-every", 0)
SIZE = ("--layers", 3, "--width", 4)
WAYS = (
    ("--memory", "plain", "--augment", "strong", "--mix-classes", 0.5),
    ("--memory", "fast", "--loss", "cross-entropy+dice", "--optimizer", "adamw"),
    ("--memory", "low"),
)


def main() -> int:
    """Run all cases, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    rng, lost, ended = random.Random(asked.seed), list[str](), 0
    with tempfile.TemporaryDirectory(prefix="dnas-ranks-") as name:
        folder = Path(name)
        write_scenes(folder / "scenes", 0, range(6), 96)
        tile = ("tile", folder / "scenes", "--out", folder / "tiles", "--size", 32)
        several(1, folder / "tile", *tile, "--workers", 1)
        for number in range(asked.cases):
            case = folder / f"case-{number}"
            ends, wrong = _case(case, folder / "tiles", rng)
            ended += ends
            lost += [f"case {number}: {text}" for text in wrong]
            shutil.rmtree(case)
    print(f"{'cases':>8}{'ended early':>14}{'lost':>8}")
    print(f"{asked.cases:>8}{ended:>14}{len(lost):>8}")
    print("\n".join(lost))
    return 1 if lost else 0


def _case(folder: Path, tiles: Path, rng: random.Random) -> tuple[int, list[str]]:
    """Return how many trainings ended early, and what is wrong."""
    shards = rng.choice((2, 3, 4))
    settings = ("--shards", shards, "--batch", 2 * shards, "--epochs", 3, "--device", "cpu")
    command = _command(folder, tiles, rng.choice(("search", "retrain")))
    began = time.monotonic()
    whole = (*command(folder / "whole"), *settings, *(way := rng.choice(WAYS)))
    several(1, folder / "whole-output", *whole)
    seconds, early = time.monotonic() - began, 0
    again = (*command(folder / "killed"), *settings, *way, *OFTEN)
    for turn in range(rng.randint(1, 3)):
        count = rng.randint(1, shards)
        group = Several(count, again, folder / f"output-{turn}")
        time.sleep(rng.uniform(0, 1.5 * seconds))
        victim = rng.randrange(count)
        number = rng.choice((signal.SIGKILL, signal.SIGTERM))
        if group.running():
            os.kill(group.processes[victim], number)
        ends = group.ends()
        early += ends[0].code != 0
        if "Traceback" in group.outputs() or any(end.code not in (0, 1, 130, None) for end in ends):
            return early, [group.outputs()]
    several(1, folder / "last-output", *again)
    return early, differences(folder / "whole", folder / "killed")


def _command(folder: Path, tiles: Path, kind: str) -> Callable[[Path], tuple[object, ...]]:
    """Return what makes the command of a run."""
    if kind == "search":
        return lambda run: ("search", run, "--stage", 1, "--data", tiles, *SIZE, "--logits-from", 2)
    folder.mkdir(parents=True)
    ARCHITECTURE.write(folder / "coding.json")
    start = ("--architecture", folder / "coding.json", "--data", tiles, "--width", 4)
    return lambda run: ("retrain", run, *start, "--keep", "average")


if __name__ == "__main__":
    sys.exit(main())
