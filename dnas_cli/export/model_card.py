"""The model card: what a model is for, what it learnt from, how good it is, where it fails."""

import shlex
from collections.abc import Iterable

from dnas_cli.bootstrap import Interval, score_intervals
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.model.model_file import Model
from dnas_cli.model.onnx_facts import OnnxFacts
from dnas_cli.shown_text import markdown, shown
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.tile_set import TileSet


def model_card(
    name: str,
    model: Model,
    facts: OnnxFacts,
    data: TileSet | None,
    evaluation: Evaluation | None,
    licence: str,
) -> str:
    """Return the card of a model as Markdown.

    Args:
        facts: Its hashes.
        data: The tile set that it learnt from, where that is known.
        evaluation: Its figures, where there are any.
        licence: As the user gives it; empty where they do not.
    """
    sections = {
        f"# {markdown(name)}": _purpose(model, facts),
        "## Data": _data(model, data),
        "## Figures": _figures(evaluation),
        "## Limits": _limits(model, facts, evaluation),
        "## Use": _use(name),
        "## Licence": [licence or "No licence was given: ask the author before you use the model."],
    }
    return "\n".join("\n".join([title, "", *lines, ""]) for title, lines in sections.items())


def _purpose(model: Model, facts: OnnxFacts) -> list[str]:
    known = model.facts
    layers = model.architecture.graph.layers
    weights = sum(parameter.numel() for parameter in model.network.parameters())
    resolution = (
        f", at a ground resolution of {known.ground_resolution:g} m"
        if known.ground_resolution
        else ""
    )
    return [
        f"Semantic segmentation of satellite or aerial scenes into {len(known.classes)} classes: "
        f"every pixel gets one of {_names(model)}.",
        "",
        *_table(
            ("", ""),
            [
                ("bands, in order", ", ".join(map(markdown, known.bands))),
                ("values", f"{known.dtype}{resolution}"),
                ("no data", "not declared" if known.nodata is None else f"{known.nodata:g}"),
                (
                    "network",
                    f"DNAS, {layers} layers, width {known.width}, {weights / 1e6:.2f} M weights",
                ),
                ("trained on", f"tiles or crops of {known.tile_size} px"),
                ("created", str(known.provenance.get("created", "unknown"))),
                ("model", f"`{facts.model_hash}`"),
                ("architecture", f"`{facts.architecture_hash}`"),
            ],
        ),
    ]


def _data(model: Model, data: TileSet | None) -> list[str]:
    if data is None:
        known = model.facts.provenance.get("tile_set")
        found = f" with the fingerprint `{known}`" if known else ""
        return [f"The tile set{found} is not at hand, so that its splits are not listed."]
    rows = [
        (
            split,
            str(data.count(split)),
            str(len(data.scenes(split))),
            _listed(data.scenes(split)[:8]),
        )
        for split in SPLITS
    ]
    return [
        f"Tile set {markdown(data.name)}, fingerprint `{data.fingerprint}`. Scenes are in one "
        "split only unless they are in more than one row.",
        "",
        *_table(("split", "tiles", "scenes", "names (8 at most)"), rows),
    ]


def _figures(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["The model was not evaluated, or its figures are not at hand: `dnas eval`."]
    metrics, subject = evaluation.matrix.metrics(), evaluation.subject
    intervals = score_intervals([scene.matrix for scene in evaluation.scenes])
    columns = (metrics.iou, metrics.f1, metrics.precision, metrics.recall)
    rows = [
        (
            markdown(item.name),
            *(_number(values[index]) for values in columns),
            _interval(intervals.iou[index]) if intervals else "",
        )
        for index, item in enumerate(evaluation.classes)
    ]
    where = f"{subject.split} split, " if subject.split else ""
    why = (
        f"Intervals are 95 % by a bootstrap over {intervals.units} scenes."
        if intervals
        else "Without intervals: they need two scored scenes at least (`dnas eval RUN --scenes`)."
    )
    return [
        f"On {where}{subject.items} {subject.unit}s, {metrics.pixels} labelled pixels: "
        f"mIoU {metrics.mean_iou:.4f}, overall accuracy {metrics.overall_accuracy:.4f}. {why}",
        "",
        *_table(("class", "IoU", "F1", "precision", "recall", "IoU, 95 %"), rows),
    ]


def _limits(model: Model, facts: OnnxFacts, evaluation: Evaluation | None) -> list[str]:
    lines = [
        f"- It knows {_names(model)} and nothing else: whatever else a scene shows becomes one of "
        "these.",
        "- Scenes of another sensor, season, light or ground resolution than those it learnt from "
        "can be mapped much worse than the figures say; evaluate on labels of your own.",
        "- Probabilities are those of the softmax and are not calibrated.",
    ]
    if model.facts.ground_resolution is None:
        lines.append("- The ground resolution that it learnt from is not recorded.")
    if evaluation is not None:
        iou = evaluation.matrix.metrics().iou
        weak = [
            f"{markdown(item.name)} ({value:.2f})"
            for item, value in zip(evaluation.classes, iou, strict=True)
            if value is not None and value < 0.5
        ]
        if weak:
            lines.append(f"- IoU is below 0.5 for {', '.join(weak)}.")
    return lines


def _names(model: Model) -> str:
    return _listed(item.name for item in model.facts.classes)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(markdown, names))


def _use(name: str) -> list[str]:
    name = shlex.quote(shown(name))
    return [
        "```",
        f"dnas predict {name} scene.tif --out map.tif --out parcels.gpkg",
        f"dnas eval {name} FOLDER_OF_SCENES_AND_LABELS --dataset scenes.yaml",
        f"dnas export {name} --onnx model.onnx",
        "```",
        "",
        "The file is read as data and runs no code.",
    ]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
