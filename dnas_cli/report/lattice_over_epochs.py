"""The lattice deciding, beside a map: what a search is, in one picture."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from dnas_cli.files import write_bytes
from dnas_cli.report.chart import stack
from dnas_cli.report.drawing import Drawing, to_png
from dnas_cli.report.lattice import draw_lattice
from dnas_cli.report.logit_trace import trace_logits
from dnas_cli.report.pictures import Picture, contact_sheet
from dnas_cli.report.stage_story import lattice_look
from dnas_cli.run.directory import Run
from dnas_cli.run.rows import read_logits
from dnas_cli.scenes.palette import LandClass

_SIDE = 352  # pixels of a picture


def lattice_deciding(run: Run, stage: int) -> Drawing | None:
    """Draw the lattice of a stage after its first, a middle and its last epoch, side by side.

    Raises:
        DataError: A file of the run is damaged.
    """
    space = run.space(stage)
    trace = trace_logits(space, read_logits(run.stage_folder(f"stage{stage}") / "logits.jsonl"))
    if not trace:
        return None
    shown = [trace[0], trace[len(trace) // 2], trace[-1]]
    drawings = [
        draw_lattice(space.graph, lattice_look(space, item, f"after epoch {item.epoch}"))
        for item in shown
    ]
    return stack(drawings, len(drawings), "")


def write_deciding(
    path: Path,
    lattice: Drawing | None,
    pictures: Sequence[tuple[str, Picture]],
    classes: Sequence[LandClass],
) -> None:
    """Write the lattice over pictures with a legend, as a PNG; replaced atomically.

    Args:
        path: The file.
        lattice: What is above; nothing where there is none.
        pictures: Each with its name, side by side.
        classes: Of the legend.
    """
    below = contact_sheet(pictures, classes, len(pictures), _SIDE)
    above = None
    if lattice is not None:
        above = Image.open(BytesIO(to_png(lattice, below.width / lattice.width))).convert("RGB")
    top = 0 if above is None else above.height
    page = Image.new("RGB", (below.width, top + below.height), "white")
    if above is not None:
        page.paste(above, (0, 0))
    page.paste(below, (0, top))
    content = BytesIO()
    page.quantize(256).save(content, format="PNG", optimize=True)
    write_bytes(path, content.getvalue())
