"""The short version of `make torture`: some kills over all stages, some mutations of every file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
def test_killed_at_any_moment_and_continued_every_stage_ends_with_the_same_bits() -> None:
    table = _table("--kills", 20, "--mutations", 0)
    kills, cases, survived, lost = map(int, re.findall(r"\d+", table.split("\nall")[1])[:4])
    assert kills >= 15
    assert survived == cases
    assert lost == 0


@pytest.mark.slow
def test_mutated_files_of_every_kind_are_refused_in_one_message_or_harmless() -> None:
    table = _table("--kills", 0, "--mutations", 114)
    cases, *_, failed = map(int, re.findall(r"\d+", table.split("\nall")[2])[:4])
    assert cases >= 114
    assert failed == 0
