"""What README and `docs/` say of tests, of the code and of the command line is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from dnas_cli.app import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SOURCES = {path: path.read_text() for path in ROOT.glob("dnas_cli/**/*.py")}


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/method.html").exists()


def test_every_section_of_the_method_that_code_names_exists() -> None:
    headings = re.findall(r"^## (\d+)\. ", (ROOT / "docs/method.md").read_text(), re.MULTILINE)
    named = {
        number
        for text in SOURCES.values()
        for reference in re.findall(r"method(?:\.md)?,\s+sections? ([\d, andto]*\d)", text)
        for number in re.findall(r"\d+", reference)
    }
    assert named
    assert named <= set(headings)


@pytest.mark.parametrize("page", ["fidelity", "reliability", "security"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = set(
        re.findall(r"`((?:\w+/)?test_\w+(?:\.py)?)`", (ROOT / f"docs/{page}.md").read_text())
    )
    tests = ROOT / "tests"
    functions = {
        name
        for path in tests.glob("**/test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named
    assert {n for n in named if n not in functions and not (tests / n).is_file()} == set()


def test_every_command_line_of_the_documents_has_options_that_exist() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    unknown, seen = [], 0
    for document in DOCUMENTS:
        lines = re.findall(r"^(?: {4}|)dnas (\w.*)$", document.read_text(), re.MULTILINE)
        for line in lines:
            name, *words = shlex.split(line, comments=True)
            options = {option for p in commands[name].params for option in p.opts} | {"--help"}
            given = {word.split("=")[0] for word in words if word.startswith("-")}
            seen += 1
            unknown += [(document.name, line, option) for option in sorted(given - options)]
    assert seen > 20
    assert unknown == []
