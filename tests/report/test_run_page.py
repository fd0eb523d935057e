"""The page of a run: complete, without requests, true to the files, alive in a browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnas_cli.evaluation.baseline_figures import Member, baseline_path, write_members
from dnas_cli.evaluation.tile_scores import TileScore, best_median_worst
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.report import after_epoch, page_content
from dnas_cli.report.training_curves import write_progress_picture
from dnas_cli.run.directory import open_run
from dnas_cli.run.rows import EpochRow
from dnas_cli.tiles.lists import TileRef
from tests.support.command_line import dnas, rows
from tests.support.small_runs import first_search

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is retrained and evaluated, whose searches had decided otherwise at first."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("page") / "run"))
    for path in folder.glob("search/stage?/logits.jsonl"):
        _decide_otherwise_at_first(path)
    dnas("eval", folder, "--references", "--cost")
    members = [_member("found", seed, 60 + seed) for seed in (0, 1)]
    members += [_member(f"random-{number}", 0, 40 - number) for number in range(1, 13)]
    write_members(baseline_path(folder), [*members, _member("unet:resnet18, equal steps", 0, 50)])
    return folder


def _decide_otherwise_at_first(path: Path) -> None:
    """Make the logits of the first epoch those of a decided network: few steps hardly move any."""
    first, *others = rows(path)
    first["logits"] = {key: -1000 * value for key, value in others[-1]["logits"].items()}
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *others)))


def _member(name: str, seed: int, right: int) -> Member:
    """A network of which so many pixels in a hundred of a scene are right, fewer in another."""
    scenes = {"a": ConfusionMatrix(5), "b": ConfusionMatrix(5)}
    for scene, share in zip(scenes.values(), (right, right - 20), strict=True):
        scene.counts[:2, :2] += np.array([[share, 100 - share], [100 - share, share]])
    return Member(name, seed, "test", 1_234_000, 5 * 10**9, None, scenes, "sha256:0")


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    """The run's page, with one tile of each kind: the split has four."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_content, "_TILES", 1)
        dnas("report", run)
    return (run / "report.html").read_text()


def test_the_page_needs_nothing_else(page: str) -> None:
    assert len(page.encode()) < 2_000_000
    assert "within 8 pixels of a tile's border" in page  # seams, of small tiles
    headings = re.findall(r"<h3>([^<]*)</h3>", page)
    assert {"Only scene", "Best tiles", "Median tiles", "Worst tiles"} <= set(headings)
    addresses = re.findall(r"(?:src|href)=\"([^\"]*)\"|url\(([^)]*)\)", page)
    assert all(a.startswith(("data:", "#")) for pair in addresses for a in pair if a)
    assert re.findall(r"https?://[^\s\"<]+", page) == ["http://www.w3.org/2000/svg"] * len(
        re.findall("<svg", page)
    )


def test_best_median_and_worst_examples_are_different_ones_with_enough_labelled_pixels() -> None:
    scores = [
        TileScore(TileRef(str(right), "", ""), _matrix(right, of=100))
        for right in (10, 90, 30, 70, 50, 60, 40)
    ]
    few = TileScore(TileRef("few", "", ""), _matrix(20, of=20))
    found = best_median_worst([*scores, few], 2, fewest=0.5)
    names = {kind: [score.ref.image for score in chosen] for kind, chosen in found.items()}
    assert names == {"best": ["90", "70"], "median": ["60", "50"], "worst": ["10", "30"]}
    found = best_median_worst(scores[:3], 2)
    assert [len(chosen) for chosen in found.values()] == [2, 0, 1]


def _matrix(right: int, of: int) -> ConfusionMatrix:
    matrix = ConfusionMatrix(2)
    matrix.counts[0, :2] = right, of - right
    return matrix


def _at(run: Path, source: str) -> float:
    """Return the number that a part of the page says it is from: `eval/test.json#/metrics/...`."""
    file, pointer = source.split("#")
    text = (run / file).read_text()
    value = rows(run / file) if file.endswith(".jsonl") else json.loads(text)
    for key in pointer.split("/")[1:]:
        plain = key.replace("~1", "/").replace("~0", "~")
        value = value[int(plain)] if isinstance(value, list) else value[plain]
    return float(value)  # type: ignore[arg-type]


def _wrong_numbers(page: str, run: Path) -> tuple[int, list[str]]:
    """Count the numbers that name their source, and list those that differ from it."""
    found = re.findall(
        r'<\w+[^>]*data-from="([^"]+)"(?: data-scale="([^"]+)")?[^>]*>([^<]*)<', page
    )
    wrong = []
    for source, scale, text in found:
        shown = text.replace(",", "")
        digits = len(shown.partition(".")[2])
        if shown != f"{_at(run, unescape(source)) / float(scale or 1):.{digits}f}":
            wrong.append(f"{source}: {text}")
    return len(found), wrong


def test_references_random_architectures_and_peers_have_rows_with_intervals(
    page: str, run: Path
) -> None:
    table = page.split('<h2 id="verdict">')[1].split("<table>")[1].split("</table>")[0]
    found = {}
    for row in re.findall(r"<tr class.*?</tr>", table, re.S):
        cells = re.findall(r"<td>(.*?)</td>", row, re.S)
        found[cells[0]] = [re.sub(r"<[^>]*>", " ", cell).split() for cell in cells[1:]]
    assert list(found)[1].startswith("majority class (")
    assert list(found)[2].startswith("per pixel (")
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]  # the best ten of twelve
    assert list(found)[3:] == [
        "network found again (mean of 2 seeds)",
        "unet:resnet18, equal steps",
        *(f"random {number}" for number in numbers),
    ]
    assert "2 more random architectures are not listed" in page
    mean_iou, accuracy, first, _, unknown, *_, weights, work = found["unet:resnet18, equal steps"]
    middle, low, high = 40 / 160, 30 / 170, 50 / 150  # of both scenes; of each of them twice
    assert mean_iou == [f"{middle:.4f}", f"{low:.4f}", "to", f"{high:.4f}"]
    assert accuracy == ["0.4000", "0.3000", "to", "0.5000"]
    assert first == [f"{middle:.3f}", f"{low:.3f}", "to", f"{high:.3f}"]
    assert unknown == ["–"]
    assert (weights, work) == (["1.234"], ["5.000"])
    assert all(len(row[0]) == 4 for row in found.values())  # each has an interval
    for row, item in zip(list(found.values())[1:3], _references(run), strict=True):
        low, high = item["intervals"]["mean_iou"]
        assert row[0][1:] == [f"{low:.4f}", "to", f"{high:.4f}"]
        assert low < item["metrics"]["mean_iou"] < high


def _references(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "eval/test.json").read_text())["references"]
    return found


def _add_a_class(figures: dict[str, Any]) -> None:
    figures["classes"].append(figures["classes"][0] | {"name": "swamp"})


def _count_below_none(figures: dict[str, Any]) -> None:
    figures["confusion"]["counts"][0][0] = -1


def _cost_a_text(figures: dict[str, Any]) -> None:
    figures["cost"]["network"]["parameters"] = {}


def _repeat_an_interval(figures: dict[str, Any]) -> None:
    classes = figures["references"][0]["intervals"]["classes"]
    classes["swamp"] = next(iter(classes.values()))


@pytest.mark.parametrize(
    "change", [_add_a_class, _count_below_none, _cost_a_text, _repeat_an_interval]
)
def test_figures_that_cannot_be_are_not_shown(
    run: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    figures = json.loads((own / "eval/test.json").read_text())
    change(figures)
    (own / "eval/test.json").write_text(json.dumps(figures))
    said = " ".join(dnas("report", own).stderr.split())
    assert "the page shows no figures" in said
    assert "test.json: is not a valid evaluation" in said


def test_the_architecture_and_the_commands_are_those_of_the_run(page: str, run: Path) -> None:
    coding = json.loads((run / "coding" / "architecture.json").read_text())
    for names in coding["operators"].values():
        assert ", ".join(names) in page
    for path in (run / "coding").glob("*.json"):
        assert json.loads(path.read_text())["hash"] in page
    commands = rows(run / "search" / "stage1" / "commands.jsonl")
    assert [item["work"] for item in commands] == ["training", "decoding"]
    assert f"torch {commands[0]['torch']}" in page


def test_the_slider_holds_every_epoch_of_every_search(page: str, run: Path) -> None:
    frames = json.loads(page.split('id="frames">')[1].split("</script>")[0])
    assert sorted(frames) == ["stage1", "stage2", "stage3"]
    for stage, found in frames.items():
        logits = rows(run / "search" / stage / "logits.jsonl")
        assert found["epochs"] == list(range(1, len(logits) + 1))
    last = rows(run / "search" / "stage1" / "history.jsonl")[-1]["decoded"]["path"]
    nodes = ["-1,0", *(f"{layer},{scale}" for layer, scale in enumerate(last))]
    chosen = {frames["stage1"]["edges"][k] for k in frames["stage1"]["chosen"][-1]}
    assert chosen == {f"{a}>{b}" for a, b in pairwise(nodes)}


def test_a_stage_whose_logits_were_lost_has_no_slider(run: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    logits = own / "search/stage2/logits.jsonl"
    logits.write_text('{"epoch": 0}\n')
    dnas("report", own)
    frames = (own / "report.html").read_text().split('id="frames">')[1].split("</script>")[0]
    assert sorted(json.loads(frames)) == ["stage1", "stage3"]
    said = dnas("decode", own, "--stage", 2, "--overwrite", code=4).stderr
    assert "has rows without logits" in " ".join(said.split())


def test_a_half_done_run_has_a_page_and_curves_after_every_epoch(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, drawn = tmp_path / "<b>half & done", list[int]()

    def write(path: Path, title: str, epochs: Sequence[EpochRow], *more: Any) -> None:
        drawn.append(len(epochs))
        write_progress_picture(path, title, epochs, *more)

    monkeypatch.setattr(after_epoch, "write_progress_picture", write)
    dnas(*first_search(folder, tiny_tiles), "--report")
    left = folder / ".report.0badcafe.part.html"  # of a command that was killed
    left.touch()
    dnas("report", folder)
    assert not left.exists()
    assert drawn == [1, 2]
    text = (folder / "report.html").read_text()
    assert "Not evaluated yet" in text
    assert "<b>half" not in text
    assert "&lt;b&gt;half &amp; done" in text
    stage = folder / "search" / "stage1"
    assert (stage / "progress.png").read_bytes().startswith(b"\x89PNG")
    header, *lines = (stage / "history.csv").read_text().splitlines()
    assert header.startswith("epoch,loss")
    table = [dict(zip(header.split(","), row.split(","), strict=True)) for row in lines]
    flat = [{k: str(v) for k, v in row.items()} for row in open_run(folder).history()]
    assert [{"stage": "stage1", **{k: v for k, v in row.items() if v}} for row in table] == flat
    assert len(flat) == len((stage / "history.jsonl").read_text().splitlines())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_the_slider_moves_and_every_number_is_that_of_its_file(
    page: str, run: Path, tmp_path: Path
) -> None:
    probe = """<script>
    addEventListener("load", () => {
      const moved = {};
      for (const section of document.querySelectorAll("section.lattice")) {
        const input = section.querySelector("input"), epoch = section.querySelector("output");
        const state = () => [...section.querySelectorAll("svg [data-key]")].map(shape =>
          shape.getAttribute("stroke-width") + shape.getAttribute("r") + shape.textContent).join();
        const last = state();
        input.value = 0;
        input.dispatchEvent(new Event("input"));
        moved[section.dataset.stage] = state() !== last && epoch.textContent;
      }
      document.title = JSON.stringify({moved, requests: performance.getEntriesByType("resource")
        .filter(entry => !entry.name.startsWith("data:")).length});
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
    moved = {"stage1": "1", "stage2": "1", "stage3": "1"}
    assert json.loads(unescape(found[1])) == {"moved": moved, "requests": 0}
    assert "CONSOLE" not in done.stderr
    checked, wrong = _wrong_numbers(done.stdout, run)
    assert not wrong
    classes = len(json.loads((run / "eval" / "test.json").read_text())["classes"])
    assert checked >= 3 * (2 + classes) + 2 * classes**2  # three rows, two matrices, and more
