"""A model as a STAC Item with the Machine Learning Model extension (MLM 1.5)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dnas_cli.files import file_hash, size_of_file
from dnas_cli.model.model_file import Model
from dnas_cli.model.onnx_facts import OnnxFacts
from dnas_cli.scenes.palette import LandClass

_VERSION = "1.1.0"  # of STAC
_EXTENSIONS = [
    "https://stac-extensions.github.io/mlm/v1.5.2/schema.json",
    "https://stac-extensions.github.io/classification/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
_SHA2_256 = "1220"  # multihash: the function, then 32 bytes


def model_item(
    path: Path, model: Model, facts: OnnxFacts, onnx: Path | None, licence: str, target: Path
) -> dict[str, Any]:
    """Return the Item of a model as plain data.

    A model has no place: its geometry is null. The time is that of the training.

    Args:
        facts: Its hashes and ground resolution.
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
                "classification:classes": _classes(known.classes),
            }
        ],
        "mlm:hyperparameters": {
            "layers": model.architecture.graph.layers,
            "width": known.width,
            "architecture": facts.architecture_hash,
            "normalisation": known.normalisation.to_json(),
        },
    }
    if facts.ground_resolution is not None:
        properties["gsd"] = facts.ground_resolution
    assets = {
        "model": {
            "href": _relative(path, target),
            "type": "application/octet-stream; framework=pytorch",
            "title": "Weights, architecture, classes, bands and normalisation",
            "roles": ["mlm:model", "mlm:weights"],
            "mlm:artifact_type": "torch.save",
            **_file_facts(path),
        }
    }
    if onnx is not None:
        assets["onnx"] = {
            "href": _relative(onnx, target),
            "type": "application/octet-stream; framework=onnx",
            "title": "The model for any program: raw band values in, probabilities out",
            "roles": ["mlm:model", "mlm:compiled"],
            "mlm:artifact_type": "onnx",
            "mlm:compile_method": "aot",
            "mlm:framework": "ONNX",
            **_file_facts(onnx),
        }
    return {
        "type": "Feature",
        "stac_version": _VERSION,
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
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _relative(path: Path, target: Path) -> str:
    folder = target.resolve().parent
    place = path.resolve()
    return f"./{place.relative_to(folder)}" if place.is_relative_to(folder) else place.as_uri()


def _classes(classes: Sequence[LandClass]) -> list[dict[str, Any]]:
    """Return classes as the classification extension has them; names become words."""
    return [
        {
            "value": index,
            "name": re.sub(r"[^0-9A-Za-z_-]+", "-", item.name).strip("-") or f"class-{index}",
            "description": item.name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*item.colour),
        }
        for index, item in enumerate(classes)
    ]


def _file_facts(path: Path) -> dict[str, Any]:
    """Return size and checksum of a file as the file extension has them."""
    digest = file_hash(path).removeprefix("sha256:")
    return {"file:size": size_of_file(path), "file:checksum": _SHA2_256 + digest}
