"""Two commands that begin, adopt or branch one run at the same moment.

What they leave must be what one of them leaves alone if the other was refused, and else what they
leave one after the other.
"""

import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dnas_cli.space.coding import ArchitectureCoding
from tests.support.disturbing import Disturbed, Results
from tests.support.killing import End
from tests.support.same_bits import differences
from tests.support.several import Together
from tests.support.small_codings import ARCHITECTURE, CONNECTIONS
from tests.support.tortured import CPU, HEAD, SIZE, Beginning

Command = tuple[object, ...]

_SHORT = ("--epochs", 1, "--batch", 4, *HEAD, *CPU)
_NEW = ("new", "--data", "tiles")
_LARGE = ("--layers", 4, "--width", 8)
_MADE = ("run", "new", "child")
_LONGEST_DELAY = 0.2  # seconds; a command that begins a run takes about as long


@dataclass(frozen=True)
class Race:
    """Two commands, in a folder with `tiles`, two codings, and a `run` whose stage 1 is decoded."""

    name: str
    commands: tuple[Command, Command]


RACES = (
    Race("encode and encode", (
        ("encode", *_NEW, "--stage", 1, *SIZE), ("encode", *_NEW, "--stage", 1, *_LARGE),
    )),
    Race("adopt and adopt", (
        ("retrain", *_NEW, "--architecture", "one.json", "--width", 4, *_SHORT),
        ("retrain", *_NEW, "--architecture", "two.json", "--width", 4, *_SHORT),
    )),
    Race("branch and branch", (
        ("encode", "run", "--stage", 1, "--branch", "child"),
        ("encode", "run", "--stage", 2, "--branch", "child"),
    )),
    Race("branch and extend", (
        ("decode", "run", "--stage", 1, "--branch", "child"),
        ("search", "run", "--stage", 1, "--extend", 1, *CPU),
    )),
    Race("encode and search", (
        ("encode", *_NEW, "--stage", 1, *_LARGE),
        ("search", *_NEW, "--stage", 1, *SIZE, *_SHORT),
    )),
    Race("search and search", (
        ("search", *_NEW, "--stage", 1, *SIZE, *_SHORT),
        ("search", *_NEW, "--stage", 1, *SIZE, *_SHORT, "--seed", 1),
    )),
    Race("encode and adopt", (
        ("encode", *_NEW, "--stage", 1, *SIZE),
        ("retrain", *_NEW, "--architecture", "one.json", "--width", 4, *_SHORT),
    )),
    Race("the same branch", (("encode", "run", "--stage", 2, "--branch", "child"),) * 2),
)  # fmt: skip


def race(folder: Path, beginnings: list[Beginning], count: int, rng: random.Random) -> Results:
    """Let pairs of commands race, one pair after the other, until so many have."""
    start = folder / "race-begin"
    decoded = next(item.whole for item in beginnings if item.stage.name == "decode 1")
    shutil.copytree(decoded, start)
    ARCHITECTURE.write(start / "one.json")
    operators = tuple(("conv3x3",) for _ in CONNECTIONS.graph.nodes)
    ArchitectureCoding(CONNECTIONS.graph, operators).write(start / "two.json")
    results = {item.name: Disturbed() for item in RACES}
    for number in range(count):
        chosen = RACES[number % len(RACES)]
        result = results[chosen.name]
        result.times += 1
        result.cases += 1
        try:
            _try(folder, start, chosen, result, rng)
        except TimeoutError as error:
            result.hung.append(f"{chosen.name}: {error}")
    return results


def _try(folder: Path, start: Path, chosen: Race, result: Disturbed, rng: random.Random) -> None:
    case = folder / "case"
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(start, case)
    delays = [0.0, rng.choice((0.0, 0.01, _LONGEST_DELAY)) * rng.random()]
    rng.shuffle(delays)
    ends = _run(case, folder / "race-output", chosen.commands, delays)
    what = f"{chosen.name}: exit {[end.code for end in ends]}"
    for end in ends:
        lines = [line for line in end.output.splitlines() if line.startswith("dnas: ")]
        if "Traceback" in end.output or "should not happen" in end.output:
            result.tracebacks.append(f"{what}: {end.output[-1500:]}")
        elif end.code not in (0, 3) or len(lines) != (end.code != 0):
            result.messages.append(f"{what}: {end.output[-1500:]}")
    done = [k for k, end in enumerate(ends) if end.code == 0]
    orders = [done] if len(done) < 2 else [[0, 1], [1, 0]]
    wrong = [
        _differences(case, _in_order(folder, start, chosen, order)) for order in orders if order
    ]
    if not wrong or all(wrong):
        output = "".join(end.output[-700:] for end in ends)
        result.lost.append(f"{what}: differs in {wrong}: {output}")


def _run(
    case: Path, notes: Path, commands: Sequence[Command], delays: Sequence[float]
) -> list[End]:
    """Run commands in processes of their own that begin so many seconds after one moment."""
    shutil.rmtree(notes, ignore_errors=True)
    group, moment, before = Together(notes), time.time() + 0.02, Path.cwd()
    os.chdir(case)
    try:
        for command, delay in zip(commands, delays, strict=True):
            group.add(command, at=moment + delay)
        return group.ends()
    finally:
        os.chdir(before)


def _in_order(folder: Path, start: Path, chosen: Race, order: list[int]) -> Path:
    """Return what the commands leave one after the other, from the start or from before."""
    made = folder / f"race-{chosen.name}-{order}"
    if not made.exists():
        case = folder / "case-alone"  # as deep as the other: some results name their inputs
        shutil.copytree(start, case)
        for number in order:
            (end,) = _run(case, folder / "race-output", [chosen.commands[number]], [0.0])
            if end.code != 0:
                (case / "refused").touch()  # of two that succeeded, neither may be
        case.rename(made)
    return made


def _differences(case: Path, other: Path) -> list[str]:
    beside = {path.name for path in case.iterdir()} ^ {path.name for path in other.iterdir()}
    changed = (differences(case / name, other / name) for name in _MADE)
    return sorted([*beside, *(name for names in changed for name in names)])
