"""`report.html`: a run on one page, which needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dnas_cli import __version__
from dnas_cli.bootstrap import Interval, mean_iou_interval
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.evaluation.tile_scores import TileExample, TileScores
from dnas_cli.files import write_text
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.report.chart import Series, line_chart
from dnas_cli.report.drawing import Drawing, to_svg
from dnas_cli.report.lattice import LatticeLook, draw_lattice
from dnas_cli.report.pictures import (
    class_picture,
    confidence_picture,
    data_uri,
    error_picture,
    outlined,
)
from dnas_cli.report.stage_story import stage_story
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.manifest import STAGES
from dnas_cli.scenes.overlay import natural_colours
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.run_status import read_status
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.showcase import LabelledTile
from dnas_cli.tiles.tile_set import TileSet

_SIDE = 168  # pixels of a tile on the page


@dataclass(frozen=True)
class PageContent:
    """What a page shows beside the run's own files; what is missing is left out.

    Attributes:
        tiles: The run's tile set.
        evaluation: Figures on the test split.
        scores: The test split tile by tile.
        examples: Tiles to look at, by what they are examples of.
        labels: Tiles of each split with their labels.
        arithmetic: Share of the derived network's arithmetic in each node, by the node's key.
        command_lines: What was run, as far as it is known.
    """

    tiles: TileSet | None = None
    evaluation: Evaluation | None = None
    scores: TileScores | None = None
    examples: Mapping[str, Sequence[TileExample]] = field(default_factory=dict)
    labels: Mapping[str, Sequence[LabelledTile]] = field(default_factory=dict)
    arithmetic: Mapping[str, float] = field(default_factory=dict)


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
    stories = [story for name in STAGES if (story := stage_story(run, name))]
    page = environment.get_template("run.html.j2").render(
        version=__version__,
        summary=read_status(run).to_json(),
        stories=stories,
        frames={story.name: story.trace.frames for story in stories if story.trace},
        architecture=_architecture(run, content),
        verdict=_verdict(content),
        confusion=_confusion(content.evaluation),
        scenes=_scenes(content.evaluation),
        reliability=_reliability(content.scores),
        scores=content.scores,
        examples=_examples(content),
        data=_data(content),
        codings=_codings(run),
        svg=lambda drawing: to_svg(drawing, themed=True),
        as_json=lambda value: json.dumps(value, sort_keys=True),
    )
    write_text(path, page)


def _verdict(content: PageContent) -> dict[str, Any] | None:
    """Return the network beside the references, per class and over all."""
    evaluation = content.evaluation
    if evaluation is None or not evaluation.matrix.pixels:
        return None
    rows = [{"name": "network found", **_figures(evaluation.matrix, _interval(content))}]
    rows += [
        {"name": f"{item.name} ({item.detail})", **_figures(item.matrix, None)}
        for item in evaluation.references
    ]
    cost = evaluation.cost
    return {
        "classes": [item.name for item in evaluation.classes],
        "rows": rows,
        "split": evaluation.subject.split or "all",
        "items": evaluation.subject.items,
        "unit": evaluation.subject.unit,
        "cost": cost.to_json() if cost else None,
    }


def _figures(matrix: ConfusionMatrix, interval: Interval | None) -> dict[str, Any]:
    metrics = matrix.metrics()
    return {
        "mean_iou": metrics.mean_iou,
        "accuracy": metrics.overall_accuracy,
        "iou": metrics.iou,
        "interval": interval,
    }


def _interval(content: PageContent) -> Interval | None:
    """Return the interval over scenes; over tiles where there are fewer than three scenes."""
    evaluation = content.evaluation
    if evaluation is not None and len(evaluation.scenes) > 2:
        return mean_iou_interval([scene.matrix for scene in evaluation.scenes])
    if content.scores is None:
        return None
    by_scene: dict[str, ConfusionMatrix] = {}
    for tile in content.scores.tiles:
        by_scene.setdefault(tile.ref.scene, ConfusionMatrix(tile.matrix.classes)).merge(tile.matrix)
    if len(by_scene) > 2:
        return mean_iou_interval(list(by_scene.values()))
    return mean_iou_interval([tile.matrix for tile in content.scores.tiles])


def _confusion(evaluation: Evaluation | None) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    counts = evaluation.matrix.counts
    rows, columns = counts.sum(1), counts.sum(0)
    return {
        "classes": evaluation.classes,
        "counts": counts.tolist(),
        "by_row": (counts / rows.clip(1)[:, None]).tolist(),
        "by_column": (counts / columns.clip(1)[None]).tolist(),
    }


def _scenes(evaluation: Evaluation | None) -> list[dict[str, Any]]:
    if evaluation is None:
        return []
    return [
        {"name": scene.name, **_figures(scene.matrix, None)}
        for scene in sorted(evaluation.scenes, key=lambda item: item.name)
        if scene.matrix.pixels
    ]


def _reliability(scores: TileScores | None) -> Drawing | None:
    if scores is None:
        return None
    found = scores.reliability
    points = [
        (round(100 * float(sure / pixels)), float(right / pixels))
        for pixels, right, sure in zip(found.pixels, found.right, found.confidence, strict=True)
        if pixels
    ]
    ideal = ((0, 0.0), (100, 1.0))
    return line_chart(
        "Share of right pixels by confidence in %",
        [Series("model", tuple(points)), Series("as sure as right", ideal)],
        axis="confidence, %",
    )


def _examples(content: PageContent) -> list[dict[str, Any]]:
    tiles, shown = content.tiles, []
    if tiles is None:
        return []
    for kind, examples in content.examples.items():
        for item in examples:
            pictures = [
                ("scene", natural_colours(item.tile.image, item.tile.valid, tiles.bands), True),
                ("truth", class_picture(item.tile.truth, tiles.classes), False),
                ("map", class_picture(item.predicted, tiles.classes), False),
                ("errors", error_picture(item.tile.truth, item.predicted), False),
                ("confidence", confidence_picture(item.confidence), True),
            ]
            shown.append(
                {
                    "kind": kind,
                    "name": item.score.ref.image,
                    "accuracy": item.score.accuracy,
                    "pictures": [(n, data_uri(p, _SIDE, photo)) for n, p, photo in pictures],
                }
            )
    return shown


def _data(content: PageContent) -> dict[str, Any] | None:
    tiles = content.tiles
    if tiles is None:
        return None
    shares = {}
    for split in SPLITS:
        counts = tiles.class_pixels(split)
        total = sum(counts.values())
        shares[split] = {name: count / total if total else 0.0 for name, count in counts.items()}
    return {
        "tiles": tiles,
        "shares": shares,
        "drift": {
            split: sum(abs(shares[split][name] - shares["train"][name]) for name in shares[split])
            / 2
            for split in ("val", "test")
        },
        "sheets": {
            split: [
                (
                    item.ref.image,
                    data_uri(
                        outlined(item.image, item.valid, tiles.bands, item.truth, tiles.classes),
                        _SIDE,
                        True,
                    ),
                )
                for item in examples
            ]
            for split, examples in content.labels.items()
        },
    }


def _architecture(run: Run, content: PageContent) -> dict[str, Any] | None:
    path = run.coding_path(CODINGS[3])
    if not path.is_file():
        return None
    coding = ArchitectureCoding.read(path)
    operators = {
        node.key: names for node, names in zip(coding.graph.nodes, coding.operators, strict=True)
    }
    titles = {
        key: f"node {key}\n" + "\n".join(names) + _percent(content.arithmetic.get(key))
        for key, names in operators.items()
    }
    look = LatticeLook(titles=titles, weights=content.arithmetic)
    return {"drawing": draw_lattice(coding.graph, look), "operators": operators}


def _percent(share: float | None) -> str:
    return "" if share is None else f"\n{100 * share:.1f} % of the arithmetic"


def _codings(run: Run) -> list[tuple[str, str, str]]:
    """Return name, hash and parent of every coding of the run."""
    from dnas_cli.files import read_json

    found = []
    for path in sorted((run.root / "coding").glob("*.json")):
        document = read_json(path)
        found.append((path.stem, str(document.get("hash")), str(document.get("derived_from"))))
    return found
