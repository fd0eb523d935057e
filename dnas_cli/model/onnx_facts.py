"""The facts of an ONNX file of `dnas`, as JSON in its metadata."""

import json
from dataclasses import dataclass, replace

from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.json_files import parse_json
from dnas_cli.model.model_file import ModelFacts

KEY = "dnas"
SCHEMA = "dnas/onnx"
VERSION = 1


@dataclass(frozen=True)
class OnnxFacts:
    """Facts of the model that an ONNX file was exported from.

    Attributes:
        model_hash: SHA-256 of its model file.
    """

    facts: ModelFacts
    model_hash: str
    architecture_hash: str

    def to_text(self) -> str:
        """Return the facts as JSON."""
        document = {
            "schema": SCHEMA,
            "version": VERSION,
            "model": self.model_hash,
            "architecture": self.architecture_hash,
            "ground_resolution_m": self.facts.ground_resolution,
            **self.facts.to_json(),
        }
        return json.dumps(document, allow_nan=False)

    @staticmethod
    def from_text(text: str, name: str) -> "OnnxFacts":
        """Read facts from JSON.

        Args:
            text: The JSON.
            name: The file's name in messages.

        Raises:
            DataError: It does not hold such facts.
        """
        try:
            document = parse_json(text, name)
            if document["schema"] != SCHEMA or document["version"] != VERSION:
                raise ValueError("an unknown schema or version")
            facts, metres = ModelFacts.from_json(document), document["ground_resolution_m"]
            if metres is not None:
                facts = replace(facts, ground_resolution=float(metres))
            return OnnxFacts(facts, str(document["model"]), str(document["architecture"]))
        except MALFORMED as error:
            raise DataError(f"{name}: its facts are damaged ({brief(error)}).") from error
