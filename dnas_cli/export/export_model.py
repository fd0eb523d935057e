"""Exporting one model in several forms."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dnas_cli.claimed_outputs import claim_outputs, writing_outputs
from dnas_cli.console import logger
from dnas_cli.errors import UsageError
from dnas_cli.export.export_request import ExportRequest
from dnas_cli.export.exported_program import write_exported_program
from dnas_cli.export.model_card import model_card
from dnas_cli.export.model_figures import data_of, evaluation_of
from dnas_cli.export.model_item import model_item
from dnas_cli.export.onnx_check import Agreement, check_onnx
from dnas_cli.export.onnx_forms import for_any, for_deepness
from dnas_cli.files import file_hash, write_bytes, write_text
from dnas_cli.json_files import write_json
from dnas_cli.model.model_file import Model, load_model
from dnas_cli.model.onnx_facts import OnnxFacts
from dnas_cli.nets.onnx.runtime import require_onnx


@dataclass(frozen=True)
class Exported:
    """The written files, and the agreement of an ONNX file with the model if checked."""

    files: tuple[Path, ...]
    agreement: Agreement | None


def export_model(path: Path, request: ExportRequest, overwrite: bool = False) -> Exported:
    """Write a model in other forms.

    Raises:
        DataError: `path` is not a model file.
        RunStateError: An output exists.
        UsageError: A form cannot express the model.
        DnasError: A library is missing, or a file disagrees with the model; it is not written.
    """
    claim_outputs(request.files, overwrite)
    if request.onnx is not None:
        require_onnx()
    model = load_model(path, torch.device("cpu"))
    if request.ground_resolution is not None:
        known = replace(model.facts, ground_resolution=request.ground_resolution)
        model = replace(model, facts=known)
    lost = model.facts.beyond_float32
    if lost and (request.onnx or request.program):
        raise UsageError(
            f"{path}: {lost}; ONNX and .pt2 files take float32.",
            "Use the model file, or subtract a constant from the scenes and train again.",
        )
    facts = OnnxFacts(model.facts, file_hash(path), model.architecture.hash)
    agreement = None
    if request.onnx is not None:  # before anything is written
        form = for_deepness(model) if request.purpose == "deepness" else for_any(model, facts)
        agreement = check_onnx(form, model, str(request.onnx)) if request.check else None
    with writing_outputs(request.files):
        if request.onnx is not None:
            write_bytes(request.onnx, form.content)
        _write_others(path, request, model, facts)
    return Exported(request.files, agreement)


def _write_others(path: Path, request: ExportRequest, model: Model, facts: OnnxFacts) -> None:
    if request.program is not None:
        logger.info("%s: PyTorch traces the network; this can take minutes", request.program)
        write_exported_program(request.program, model, facts)
    if request.card is not None:
        evaluation = evaluation_of(path, facts.model_hash, request.figures)
        card = model_card(path.name, model, facts, data_of(path), evaluation, request.licence)
        write_text(request.card, card)
    if request.stac is not None:
        onnx = request.onnx if request.purpose == "any" else None
        item = model_item(path, model, facts, onnx, request.licence, request.stac)
        write_json(request.stac, item)
