"""The short version of `make torture`: some disturbances of each kind, some mutated files."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import failing_calls
from tests.support.mutation import TARGETS

ROOT = Path(__file__).resolve().parents[1]
FEW = {"killed": ("--kills", 3), "races": ("--races", 3)}
FAILING = {
    "calls that failed": ("--failures", 3),
    "power cuts": ("--cuts", 2),
    "full disks": ("--disks", 2),
    "workers disturbed": ("--workers", 1),
}
MUTATED = len(TARGETS)  # a file of each kind


@pytest.fixture(scope="module")
def tables() -> str:
    """What it prints of a few commands and files."""
    kinds = FEW | FAILING if failing_calls.can_be_loaded() else FEW
    given = [str(item) for option in kinds.values() for item in option]
    command = ["-m", "tests.torture", "--seed", "2026", "--commands", "tile,search 1,decode 1"]
    result = subprocess.run(
        [sys.executable, *command, *given, "--mutations", str(MUTATED)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*FEW, *FAILING])
def test_commands_that_are_disturbed_and_then_finish_end_with_the_same_bytes(
    tables: str, kind: str
) -> None:
    if f"{kind}: this user may not" in tables:
        pytest.skip("this user may not make a file system")
    if kind in FAILING and not failing_calls.can_be_loaded():
        pytest.skip("needs Linux and a C compiler")
    row = tables.split(f"\n{kind} ")[1].split("\nall ")[1].split("\n")[0]
    times, cases, *wrong = map(int, row.split())
    assert times >= min((FEW | FAILING)[kind][1], 2), tables  # a kill can come too late
    assert cases > 0
    assert wrong == [0, 0, 0, 0]


@pytest.mark.slow
def test_mutated_files_of_every_kind_are_refused_in_one_message_or_harmless(tables: str) -> None:
    row = tables.split("\nmutated ")[1].split("\nall ")[1].split("\n")[0]
    cases, *_, failed = map(int, row.split())
    assert cases >= MUTATED
    assert failed == 0
