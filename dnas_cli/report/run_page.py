"""`report.html`: a run on one page, which needs nothing else."""

import json
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from dnas_cli import __version__
from dnas_cli.files import remove_leftovers, write_text
from dnas_cli.nets.network import NetworkShape
from dnas_cli.report.drawing import THEMES, Drawing, to_svg
from dnas_cli.report.lattice import LatticeLook, draw_lattice
from dnas_cli.report.page_content import PageContent
from dnas_cli.report.page_data import page_data
from dnas_cli.report.page_errors import confusion, pictures, reliability, scene_rows
from dnas_cli.report.page_provenance import provenance
from dnas_cli.report.page_verdict import verdict
from dnas_cli.report.stage_story import stage_story
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.manifest import STAGES
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.lattice_costs import LatticeCosts
from dnas_cli.stages.run_status import read_status


@dataclass(frozen=True)
class PageArchitecture:
    """The derived network: its drawing, and operators and share of the arithmetic by node."""

    drawing: Drawing
    nodes: tuple[tuple[str, tuple[str, ...], float | None], ...]


def write_run_page(path: Path, run: Run, content: PageContent) -> None:
    """Write the page of a run; it is valid for a run that is half done.

    Args:
        path: The file; replaced atomically.
        run: The run.
        content: What is shown beside its files.
    """
    environment = Environment(
        loader=PackageLoader("dnas_cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    costs = {name: _costs(run, name, content) for name in STAGES}
    stories = [story for name in STAGES if (story := stage_story(run, name, costs[name]))]
    scenes, more_scenes = scene_rows(content)
    tiles = content.tiles
    page = environment.get_template("run.html.j2").render(
        version=__version__,
        themes=THEMES,
        summary=read_status(run).to_json(),
        seconds=sum(story.seconds for story in stories),
        stories=stories,
        frames={story.name: story.trace.frames for story in stories if story.trace},
        architecture=_architecture(run, content),
        verdict=verdict(content),
        confusion=confusion(content),
        scenes=scenes,
        more_scenes=more_scenes,
        reliability=reliability(content.scores),
        scores=content.scores,
        tile_examples=pictures(content.tile_examples, tiles) if tiles else [],
        scene_examples=pictures(content.scene_examples, tiles) if tiles else [],
        data=page_data(content),
        provenance=provenance(run),
        svg=lambda drawing: to_svg(drawing, themed=True),
        as_json=lambda value: json.dumps(value, sort_keys=True),
    )
    remove_leftovers(path.parent, path.name)
    write_text(path, page)


def _costs(run: Run, stage: str, content: PageContent) -> LatticeCosts | None:
    """Return what the network of a stage costs, with the stage's own head."""
    tiles, record = content.tiles, run.record(stage)
    if tiles is None or record is None:
        return None
    known = NetworkShape(run.manifest.width, len(tiles.bands), len(tiles.classes))
    head = record.settings.get("head", known.head)
    shape = NetworkShape(known.width, known.bands, known.classes, head=int(head))
    return LatticeCosts(shape, tiles.tile_size)


def _architecture(run: Run, content: PageContent) -> PageArchitecture | None:
    path = run.coding_path(CODINGS[3])
    if not path.is_file():
        return None
    coding = ArchitectureCoding.read(path)
    nodes = tuple(
        (node.key, names, content.arithmetic.get(node.key))
        for node, names in zip(coding.graph.nodes, coding.operators, strict=True)
    )
    titles = {
        key: "\n".join([f"node {key}", *names, *_percent(share)]) for key, names, share in nodes
    }
    look = LatticeLook(titles=titles, weights=content.arithmetic)
    return PageArchitecture(draw_lattice(coding.graph, look), nodes)


def _percent(share: float | None) -> tuple[str, ...]:
    return () if share is None else (f"{100 * share:.1f} % of the arithmetic",)
