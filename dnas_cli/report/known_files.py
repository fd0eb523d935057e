"""What `dnas info` can tell of the files and folders that dnas itself makes."""

import json
import zipfile
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.files import read_json
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
)

_CODINGS: dict[str, type[Coding]] = {
    kind.schema: kind for kind in (SearchSpace, PathCoding, ConnectionCoding, ArchitectureCoding)
}
_LARGEST_JSON = 64 * 1024 * 1024


def is_run(path: str) -> bool:
    """Whether a path is a run directory."""
    return (Path(path) / "run.json").is_file()


def run_facts(path: str) -> dict[str, Any]:
    """Return the state of a run."""
    from dnas_cli.report.run_status import run_summary
    from dnas_cli.run.directory import open_run

    return run_summary(open_run(Path(path)))


def run_text(facts: dict[str, Any]) -> list[str]:
    """Return the state of a run as lines."""
    from dnas_cli.report.run_status import status_text

    return [line.removeprefix("  ") for line in status_text(facts).splitlines()[1:]]


def is_tile_set(path: str) -> bool:
    """Whether a path is a tile set."""
    return (Path(path) / "dataset.json").is_file()


def tile_set_facts(path: str) -> dict[str, Any]:
    """Return what a tile set holds."""
    from dnas_cli.tiles.lists import SPLITS
    from dnas_cli.tiles.tile_set import open_tile_set

    tiles = open_tile_set(Path(path))
    return {
        "name": tiles.name,
        "fingerprint": tiles.fingerprint,
        "tile_size": tiles.tile_size,
        "bands": list(tiles.bands),
        "dtype": tiles.dtype,
        "nodata": tiles.nodata,
        "classes": [land_class.to_json() for land_class in tiles.classes],
        "normalisation": tiles.normalisation.to_json(),
        "statistics": tiles.statistics,
        "splits": {
            split: {"tiles": tiles.count(split), "class_pixels": tiles.class_pixels(split)}
            for split in SPLITS
        },
    }


def tile_set_text(facts: dict[str, Any]) -> list[str]:
    """Return what a tile set holds as lines."""
    splits = facts["splits"]
    width = max(len("class"), *(len(item["name"]) for item in facts["classes"]))
    lines = [
        f"dataset   {facts['name']}, tiles of {facts['tile_size']} x {facts['tile_size']} pixels",
        f"bands     {', '.join(facts['bands'])} ({facts['dtype']})",
        f"no data   {'not declared' if facts['nodata'] is None else facts['nodata']}",
        f"input     {_input(facts['normalisation'])}",
        "tiles     " + ", ".join(f"{name} {split['tiles']}" for name, split in splits.items()),
        f"{'class':{width}} " + " ".join(f"{name:>8}" for name in splits),
    ]
    for item in facts["classes"]:
        cells = []
        for split in splits.values():
            total = sum(split["class_pixels"].values())
            share = split["class_pixels"][item["name"]] / total if total else 0.0
            cells.append(f"{100 * share:6.1f} %")
        lines.append(f"{item['name']:{width}} {' '.join(cells)}")
    return lines


def _input(normalisation: dict[str, Any]) -> str:
    per_image = normalisation.get("per_image", False)
    return f"normalised {'by each image' if per_image else 'by the same constants everywhere'}"


def is_document(path: str) -> bool:
    """Whether a path is a coding, a search space or an evaluation."""
    file = Path(path)
    if file.suffix != ".json" or not file.is_file() or file.stat().st_size > _LARGEST_JSON:
        return False
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(schema, str) and schema.startswith("dnas/")


def document_facts(path: str) -> dict[str, Any]:
    """Return what a document says, checked; an evaluation is given as it is."""
    content: dict[str, Any] = read_json(Path(path))
    kind = _CODINGS.get(content["schema"])
    if kind is None:
        return content
    coding = kind.read(Path(path))
    return {"schema": kind.schema, "hash": coding.hash, **coding.document()}


def document_text(facts: dict[str, Any]) -> list[str]:
    """Return what a document says as lines."""
    lines = [f"schema        {facts['schema']}, version {facts['version']}"]
    if "hash" in facts:
        lines.append(f"hash          {facts['hash']}")
        lines.append(f"derived from  {facts['derived_from'] or 'nothing'}")
    if "layers" in facts:
        lines.append(f"layers        {facts['layers']}")
    if facts.get("path"):
        lines.append(f"path          {' '.join(map(str, facts['path']))}")
    if "edges" in facts:
        nodes = {tuple(target) for _, target in facts["edges"]}
        lines.append(f"graph         {len(nodes)} nodes, {len(facts['edges'])} edges")
    if isinstance(facts.get("operators"), dict):
        width = max(map(len, facts["operators"]))
        lines.extend(
            f"node {node:{width}}     {', '.join(names)}"
            for node, names in facts["operators"].items()
        )
    if "metrics" in facts:
        lines.append(f"mIoU          {facts['metrics']['mean_iou']:.4f}")
    return lines


def is_torch_file(path: str) -> bool:
    """Whether a path is an archive written by torch: a model or a checkpoint."""
    file = Path(path)
    if not file.is_file() or not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError):
        return False


def torch_file_facts(path: str) -> dict[str, Any]:
    """Return what a model or a checkpoint holds.

    Raises:
        DataError: It is neither, or damaged.
    """
    import torch

    from dnas_cli.evaluation.cost import cost_of_model
    from dnas_cli.model.model_file import load_model
    from dnas_cli.model.tensor_file import load_tensors

    content = load_tensors(Path(path))
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema == "dnas/model":
        model = load_model(Path(path), torch.device("cpu"))
        return {
            "schema": schema,
            **model.facts.to_json(),
            "layers": model.architecture.graph.layers,
            "architecture": model.architecture.document(),
            "cost": cost_of_model(model).to_json(),
        }
    if schema == "dnas/checkpoint":
        return {
            "schema": schema,
            "identity": content.get("identity"),
            "position": content.get("position"),
            "epoch": content.get("epoch"),
            "mean_iou": content.get("mean_iou"),
            "tensors": len(content.get("network", {})),
        }
    raise DataError(
        f"{path}: is written by torch, but neither a model nor a checkpoint of dnas.",
        "A checkpoint of the first release is taken over by `dnas import`.",
    )


def torch_file_text(facts: dict[str, Any]) -> list[str]:
    """Return what a model or a checkpoint holds as lines."""
    if facts["schema"] == "dnas/checkpoint":
        done = facts["position"]["epoch"] if facts["position"] else facts["epoch"] + 1
        lines = [f"belongs to    {facts['identity']}", f"epochs done   {done}"]
        if facts["mean_iou"] is not None:
            lines.append(f"val mIoU      {facts['mean_iou']:.4f}")
        return lines
    count, source = facts["cost"]["network"], facts["provenance"]
    names = ", ".join(item["name"] for item in facts["classes"])
    lines = [
        f"bands         {', '.join(facts['bands'])} ({facts['dtype']})",
        f"input         {_input(facts['normalisation'])}",
        f"classes       {names}",
        f"trained on    tiles of {facts['tile_size']} pixels",
        f"network       {facts['layers']} layers, width {facts['width']}, "
        f"{count['parameters'] / 1e6:.3f} M parameters, "
        f"{count['multiply_accumulates'] / 1e9:.2f} G multiply-accumulates per tile",
    ]
    told = [f"{key} {source[key]}" for key in ("run", "epoch") if source.get(key)]
    if source.get("averaged"):
        told.append("averaged weights")
    if source.get("val_mean_iou") is not None:
        told.append(f"val mIoU {source['val_mean_iou']:.4f}")
    if told:
        lines.append(f"from          {', '.join(told)}")
    return lines
