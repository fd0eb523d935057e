"""The short version of `make torture`: some disturbances of each kind, some mutated files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import failing_calls

ROOT = Path(__file__).resolve().parents[1]


def _table(*arguments: object) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--seed", "2026", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_commands_that_are_disturbed_and_then_finish_end_with_the_same_bytes() -> None:
    kinds = {"killed": ("--kills", 3), "races": ("--races", 3)}
    if failing_calls.can_be_loaded():
        kinds |= {"calls that failed": ("--failures", 3), "power cuts": ("--cuts", 2)}
        kinds |= {"full disks": ("--disks", 2), "workers disturbed": ("--workers", 1)}
    given = [item for option in kinds.values() for item in option]
    text = _table("--commands", "tile,search 1,decode 1", *given)
    for kind, (_, wanted) in kinds.items():
        if f"{kind}: this user may not" in text:
            continue
        row = text.split(f"\n{kind} ")[1].split("\nall ")[1].split("\n")[0]
        times, cases, *wrong = map(int, row.split())
        assert times >= min(wanted, 2), text  # a kill can come too late
        assert cases > 0
        assert wrong == [0, 0, 0, 0]


@pytest.mark.slow
def test_mutated_files_of_every_kind_are_refused_in_one_message_or_harmless() -> None:
    table = _table("--mutations", 19)
    cases, *_, failed = map(int, re.findall(r"\d+", table.split("\nall")[1])[:4])
    assert cases >= 19
    assert failed == 0
