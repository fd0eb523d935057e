"""The facts of a known file or folder, as lines of text."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dnas_cli import file_kinds
from dnas_cli.report.tables import lines_of
from dnas_cli.stages.known_files import KnownFile

if TYPE_CHECKING:
    from dnas_cli.evaluation.evaluation import Evaluation
    from dnas_cli.model.model_summary import ModelSummary
    from dnas_cli.scenes.normalisation import Normalisation
    from dnas_cli.scenes.vector_facts import VectorFacts
    from dnas_cli.space.coding import Coding
    from dnas_cli.stages.known_files import ArchitectureFacts
    from dnas_cli.tiles.tile_set import TileSet


def file_text(known: KnownFile) -> list[str]:
    """Return kind and facts as lines of text."""
    lines = _TEXTS.get(known.kind, _coding_text)(known.facts)
    return [f"{known.path}: {known.kind}", *(f"  {line}".rstrip() for line in lines)]


def _run_text(facts: Any) -> list[str]:
    from dnas_cli.report.run_status import status_text

    return [line.removeprefix("  ") for line in status_text(facts)[1:]]


def _raster_text(facts: Any) -> list[str]:
    from dnas_cli.report.raster_text import raster_text

    return raster_text(facts)


def _vector_text(facts: "VectorFacts") -> list[str]:
    lines = []
    for layer in facts.layers:
        crs = layer.crs if len(layer.crs) < 60 else f"{layer.crs[:57]}..."
        lines += [
            f"layer       {layer.name}: {layer.features} features, {layer.geometry}",
            f"attributes  {', '.join(layer.attributes) or 'none'}",
            f"CRS         {crs}",
            f"bounds      {', '.join(f'{value:.10g}' for value in layer.bounds) or 'none'}",
        ]
    return lines


def _tile_set_text(tiles: "TileSet") -> list[str]:
    from dnas_cli.report.tile_set_table import tile_set_table

    return [
        f"dataset   {tiles.name}, tiles of {tiles.tile_size} x {tiles.tile_size} pixels",
        f"bands     {', '.join(tiles.bands)} ({tiles.dtype})",
        f"no data   {'not declared' if tiles.nodata is None else tiles.nodata}",
        f"input     {_input(tiles.normalisation)}",
        "",
        *lines_of(tile_set_table(tiles), indent=2),
    ]


def _input(normalisation: "Normalisation") -> str:
    how = "by each image" if normalisation.per_image else "by the same constants everywhere"
    return f"normalised {how}"


def _coding_text(coding: "Coding") -> list[str]:
    document = coding.document()
    lines = [
        f"schema        {document['schema']}, version {document['version']}",
        f"hash          {coding.hash}",
        f"derived from  {coding.derived_from or 'nothing'}",
        f"layers        {document['layers']}",
    ]
    if document.get("path"):
        lines.append(f"path          {' '.join(map(str, document['path']))}")
    if "edges" in document:
        nodes = {tuple(target) for _, target in document["edges"]}
        lines.append(f"graph         {len(nodes)} nodes, {len(document['edges'])} edges")
    operators = document.get("operators")
    if isinstance(operators, dict):
        width = max(map(len, operators))
        lines.extend(
            f"node {node:{width}}     {', '.join(names)}" for node, names in operators.items()
        )
    return lines


def _architecture_text(facts: "ArchitectureFacts") -> list[str]:
    from dnas_cli.report.cost_table import cost_table

    size = "cost of width 40, as the published networks have it, with 5 classes:"
    return [*_coding_text(facts.coding), "", size, *lines_of(cost_table(facts.cost), indent=2)]


def _evaluation_text(evaluation: "Evaluation") -> list[str]:
    return [
        f"model         {evaluation.subject.model}",
        f"mIoU          {evaluation.matrix.metrics().mean_iou:.4f}",
    ]


def _checkpoint_text(checkpoint: Any) -> list[str]:
    lines = [
        f"belongs to    {checkpoint.identity}",
        f"epochs done   {checkpoint.epochs_done}",
    ]
    if checkpoint.mean_iou is not None:
        lines.append(f"val mIoU      {checkpoint.mean_iou:.4f}")
    return lines


def _model_text(model: "ModelSummary") -> list[str]:
    facts, cost = model.facts, model.cost.network
    lines = [
        f"bands         {', '.join(facts.bands)} ({facts.dtype})",
        f"input         {_input(facts.normalisation)}",
        f"classes       {', '.join(item.name for item in facts.classes)}",
        f"trained on    tiles of {facts.tile_size} pixels",
        f"network       {model.architecture.graph.layers} layers, width {facts.width}, "
        f"{cost.parameters / 1e6:.3f} M parameters, "
        f"{cost.multiply_accumulates / 1e9:.2f} G multiply-accumulates per tile",
    ]
    source = facts.provenance
    origin = [f"{key} {source[key]}" for key in ("run", "epoch") if source.get(key)]
    if source.get("averaged"):
        origin.append("averaged weights")
    if source.get("val_mean_iou") is not None:
        origin.append(f"val mIoU {source['val_mean_iou']:.4f}")
    if origin:
        lines.append(f"from          {', '.join(origin)}")
    return lines


_TEXTS: dict[str, Callable[[Any], list[str]]] = {
    file_kinds.RUN: _run_text,
    file_kinds.TILE_SET: _tile_set_text,
    file_kinds.ARCHITECTURE: _architecture_text,
    file_kinds.EVALUATION: _evaluation_text,
    file_kinds.MODEL: _model_text,
    file_kinds.CHECKPOINT: _checkpoint_text,
    file_kinds.RASTER: _raster_text,
    file_kinds.VECTOR: _vector_text,
}
