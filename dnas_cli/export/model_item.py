"""A model as a STAC Item with the Machine Learning Model extension (MLM 1.5)."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dnas_cli.model.model_file import Model
from dnas_cli.model.onnx_facts import OnnxFacts
from dnas_cli.scenes.stac_fields import (
    CLASSIFICATION,
    FILE,
    STAC_VERSION,
    TIME,
    classes_field,
    file_fields,
    relative_href,
)

_EXTENSIONS = [
    "https://stac-extensions.github.io/mlm/v1.5.2/schema.json",
    CLASSIFICATION,
    FILE,
]


def model_item(
    path: Path, model: Model, facts: OnnxFacts, onnx: Path | None, licence: str, target: Path
) -> dict[str, Any]:
    """Return the Item of a model as plain data.

    A model has no place: its geometry is null. The time is that of the training.

    Args:
        facts: Its hashes.
        onnx: The same model as an ONNX file of `--for any`, if there is one.
        licence: As the user gives it; `other` where they do not.
        target: Where the Item is written; assets are relative to it.

    Raises:
        DataError: A file cannot be read.
    """
    known = model.facts
    run = str(known.provenance.get("run", ""))
    name = re.sub(r"[^0-9A-Za-z_.-]+", "-", f"dnas-{run or path.stem}").strip("-._")
    created = _time(str(known.provenance.get("created", "")), path)
    bands, size = list(known.bands), known.tile_size
    properties: dict[str, Any] = {
        "datetime": created,
        "title": f"{name}: segmentation into {len(known.classes)} classes",
        "license": licence or "other",
        "bands": [{"name": band} for band in bands],
        "mlm:name": name,
        "mlm:architecture": "DNAS",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:framework_version": str(torch.__version__),
        "mlm:total_parameters": sum(item.numel() for item in model.network.parameters()),
        "mlm:pretrained": True,
        "mlm:pretrained_source": str(known.provenance.get("tile_set") or run or "unknown"),
        "mlm:batch_size_suggestion": 1,
        "mlm:accelerator": None,
        "mlm:input": [
            {
                "name": "image",
                "bands": bands,
                "input": {
                    "shape": [-1, len(bands), size, size],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "description": f"Band values as they are stored ({known.dtype}); any size will do.",
                "value_scaling": None,
                "resize_type": None,
            }
        ],
        "mlm:output": [
            {
                "name": "probabilities",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, len(known.classes), size, size],
                    "dim_order": ["batch", "class", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": classes_field(enumerate(known.classes)),
            }
        ],
        "mlm:hyperparameters": {
            "layers": model.architecture.graph.layers,
            "width": known.width,
            "architecture": facts.architecture_hash,
            "normalisation": known.normalisation.to_json(),
        },
    }
    if known.ground_resolution is not None:
        properties["gsd"] = known.ground_resolution
    assets = {
        "model": {
            "href": relative_href(path, target),
            "type": "application/octet-stream; framework=pytorch",
            "title": "Weights, architecture, classes, bands and normalisation",
            "roles": ["mlm:model", "mlm:weights"],
            "mlm:artifact_type": "torch.save",
            **file_fields(path),
        }
    }
    if onnx is not None:
        assets["onnx"] = {
            "href": relative_href(onnx, target),
            "type": "application/octet-stream; framework=onnx",
            "title": "The model for any program: raw band values in, probabilities out",
            "roles": ["mlm:model", "mlm:compiled"],
            "mlm:artifact_type": "onnx",
            "mlm:compile_method": "aot",
            "mlm:framework": "ONNX",
            **file_fields(onnx),
        }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": _EXTENSIONS,
        "id": f"{name}-{facts.model_hash.removeprefix('sha256:')[:12]}",
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": assets,
    }


def _time(created: str, path: Path) -> str:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        moment = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    return moment.astimezone(UTC).strftime(TIME)
