"""Make the pictures of these pages: `python docs/pictures.py DEMO`, after `dnas demo DEMO`.

The published networks are drawn from their codings in `tests/golden`; the picture of the README is
the demo's; the page of the demo's run is photographed by Chromium, where that is installed.
"""

import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from dnas_cli.release1.codings import read_release1
from dnas_cli.report.coding_drawing import write_coding_drawing

DOCS = Path(__file__).resolve().parent
PUBLISHED = DOCS.parent / "tests" / "golden" / "published"
WIDTH, HEIGHT = 1180, 1020  # of a screenshot


def main(demo: Path) -> None:
    """Make all pictures from a demo."""
    for name in ("L12", "L14"):
        files = (PUBLISHED / name / "third_connect.npy", PUBLISHED / name / "cell_operations.npy")
        coding = read_release1(*files).architecture()
        write_coding_drawing(coding, DOCS / f"published-{name}.svg", f"DNAS L={name[1:]}")
    shutil.copyfile(demo / "lattice-and-map.png", DOCS / "lattice-and-map.png")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser:
        page = (demo / "run" / "report.html").resolve()
        photograph(browser, page, DOCS / "report-light.png")
        photograph(
            browser, page, DOCS / "report-dark.png", "--blink-settings=preferredColorScheme=0"
        )


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
        Image.open(shot).convert("RGB").quantize(64).save(content, format="PNG", optimize=True)
    target.write_bytes(content.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
