"""The page of a run: complete, without requests, true to the files, alive in a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import dnas
from tests.support.small_runs import RETRAIN, SEARCH, first_search

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def run(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is retrained and evaluated."""
    folder = tmp_path_factory.mktemp("page") / "run"
    dnas(*first_search(folder, tiny_tiles))
    dnas("decode", folder, "--stage", 1)
    for stage in (2, 3):
        dnas("search", folder, "--stage", stage, *SEARCH)
        dnas("decode", folder, "--stage", stage)
    dnas("retrain", folder, *RETRAIN)
    dnas("eval", folder, "--references", "--cost")
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    """The run's page."""
    dnas("report", run)
    return (run / "report.html").read_text()


def test_the_page_needs_nothing_else(page: str) -> None:
    assert len(page.encode()) < 2_000_000
    addresses = re.findall(r"(?:src|href)=\"([^\"]*)\"|url\(([^)]*)\)", page)
    assert all(a.startswith(("data:", "#")) for pair in addresses for a in pair if a)
    assert re.findall(r"https?://[^\s\"<]+", page) == ["http://www.w3.org/2000/svg"] * len(
        re.findall("<svg", page)
    )


def test_figures_are_those_of_the_evaluation(page: str, run: Path) -> None:
    figures = json.loads((run / "eval" / "test.json").read_text())
    shown = re.findall(r'data-figure="row-miou">([\d.]+)<', page)
    rows = [figures["metrics"], *(item["metrics"] for item in figures["references"])]
    assert shown == [f"{row['mean_iou']:.4f}" for row in rows]
    cells = re.findall(r"<span class=\"muted\">([\d,]+)</span>", page)
    counts = [int(cell.replace(",", "")) for cell in cells]
    table = [count for row in figures["confusion"]["counts"] for count in row]
    assert counts == table * 2  # by row and by column


def test_the_slider_holds_every_epoch_of_every_search(page: str, run: Path) -> None:
    frames = json.loads(page.split('id="frames">')[1].split("</script>")[0])
    assert sorted(frames) == ["stage1", "stage2", "stage3"]
    for stage, found in frames.items():
        rows = (run / "search" / stage / "logits.jsonl").read_text().splitlines()
        assert [frame["epoch"] for frame in found] == list(range(1, len(rows) + 1))


def test_a_half_done_run_has_a_page(tiny_tiles: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<b>half & done"
    dnas(*first_search(folder, tiny_tiles), "--report")
    text = (folder / "report.html").read_text()
    assert "Not evaluated yet" in text
    assert "<b>half" not in text
    assert "&lt;b&gt;half &amp; done" in text
    stage = folder / "search" / "stage1"
    assert (stage / "progress.png").read_bytes().startswith(b"\x89PNG")
    header, *rows = (stage / "history.csv").read_text().splitlines()
    assert header.startswith("epoch,loss")
    assert len(rows) == len((stage / "history.jsonl").read_text().splitlines())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_slider_moves_the_lattice_in_a_browser(page: str, tmp_path: Path) -> None:
    probe = """<script>
    addEventListener("load", () => {
      const section = document.querySelector("section.lattice");
      const input = section.querySelector("input");
      const widths = () => [...section.querySelectorAll("svg path[data-key]")]
        .map(path => path.getAttribute("stroke-width")).join();
      const last = widths();
      input.value = 0;
      input.dispatchEvent(new Event("input"));
      document.title = JSON.stringify({moved: widths() !== last,
        epoch: section.querySelector("output").textContent});
    });
    addEventListener("error", event => console.error("page:", event.message));
    </script>"""
    copy = tmp_path / "page.html"
    copy.write_text(page.replace("</body>", f"{probe}</body>"))
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
            "--dump-dom", copy.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert found, done.stdout[:500]
    assert json.loads(found[1].replace("&quot;", '"')) == {"moved": True, "epoch": "1"}
    assert "CONSOLE" not in done.stderr
