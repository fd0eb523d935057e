"""A model as an ONNX file: what it knows of itself, and what runs it."""

from dataclasses import dataclass
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DataError
from dnas_cli.files import size_of_file
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.model.onnx_facts import KEY, OnnxFacts
from dnas_cli.nets.onnx.runtime import OnnxSession

SUFFIX = ".onnx"


@dataclass(frozen=True)
class OnnxModel:
    """A model that `dnas export --onnx` wrote for any program.

    Attributes:
        session: Raw band values, NaN without data, to probabilities.
    """

    facts: ModelFacts
    session: OnnxSession


def load_onnx_model(path: Path) -> OnnxModel:
    """Load an ONNX file.

    Raises:
        DataError: It is no ONNX file, or says nothing of classes and bands.
        DnasError: ONNX Runtime is not installed.
    """
    size_of_file(path)
    session = OnnxSession(path.read_bytes(), str(path))
    if KEY not in session.metadata:
        raise DataError(
            f"{path}: does not say what its classes and bands are.",
            "Use the file of `dnas export MODEL --onnx FILE` (for any program), or the model file.",
        )
    facts = OnnxFacts.from_text(session.metadata[KEY], str(path)).facts
    if lost := facts.beyond_float32:
        logger.warning("%s: %s; the map of the model file is finer", path, lost)
    return OnnxModel(facts, session)
