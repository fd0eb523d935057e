"""Make the pictures of these pages from a finished run: `python docs/pictures.py RUN`.

The published networks are drawn from their codings in `tests/golden`. The picture of the README
shows the lattice of the run's first stage, and the scene of the test split that is mapped best. The
run's page is photographed by Chromium, where that is installed. The run in these pages is one of
Dubai's imagery (two parts of each tile):

    dnas tile dubai --dataset examples/dubai.yaml --size 256 --val-scenes "Tile 2" \
        --test-scenes "Tile 4,Tile 6"
    dnas search dubai-run --stage 1 --data dubai-tiles --layers 4 --width 4 --preset quick \
        --epochs 5 --logits-from 1 --batch 4 --head 16 --logit-learning-rate 0.2
    dnas decode dubai-run --stage 1          # stages 2 and 3 alike, without --data and sizes
    dnas retrain dubai-run --preset quick --epochs 8 --batch 4 --head 16
    dnas eval dubai-run --references --cost

`demo.png` is `lattice-and-map.png` of a demonstration, `dnas demo`, with the weights of epoch 16
of 60.
"""

import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from dnas_cli.errors import DataError
from dnas_cli.release1.codings import read_release1
from dnas_cli.report.coding_drawing import write_coding_drawing
from dnas_cli.report.lattice_over_epochs import lattice_deciding, write_deciding
from dnas_cli.report.page_content import page_content
from dnas_cli.report.run_page import write_run_page
from dnas_cli.report.scene_panel import look_pictures
from dnas_cli.run.directory import Run, open_run

DOCS = Path(__file__).resolve().parent
PUBLISHED = DOCS.parent / "tests" / "golden" / "published"
WIDTH, HEIGHT = 1180, 1420  # of a screenshot


def main(run: Run) -> None:
    """Make all pictures from a run."""
    for name in ("L12", "L14"):
        files = (PUBLISHED / name / "third_connect.npy", PUBLISHED / name / "cell_operations.npy")
        coding = read_release1(*files).architecture()
        write_coding_drawing(coding, DOCS / f"published-{name}.svg", f"DNAS L={name[1:]}")
    content = page_content(run)
    if content.tiles is None or not content.scene_examples:
        raise DataError(f"{run.root}: needs a model, and two scenes in the test split.")
    classes = content.tiles.classes
    pictures = look_pictures(content.scene_examples[0].look, classes, content.tiles.bands)
    write_deciding(DOCS / "lattice-and-map.png", lattice_deciding(run, 1), pictures[:3], classes)
    page = run.root / "report.html"
    write_run_page(page, run, content)
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser:
        dark = "--blink-settings=preferredColorScheme=0"
        photograph(browser, page.resolve(), DOCS / "report-light.png")
        photograph(browser, page.resolve(), DOCS / "report-dark.png", dark)


def photograph(browser: str, page: Path, target: Path, *more: str) -> None:
    """Write the upper part of a page as a PNG of few colours."""
    with TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--hide-scrollbars", f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", *more, page.as_uri(),
            ],
            check=True, capture_output=True,
        )  # fmt: skip
        content = BytesIO()
        # Median cut would lose the colours of a few pixels.
        few = Image.open(shot).convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE)
        few.save(content, format="PNG", optimize=True)
    target.write_bytes(content.getvalue())


if __name__ == "__main__":
    main(open_run(Path(sys.argv[1])))
