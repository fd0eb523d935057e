"""The readers of an ONNX file."""

from enum import StrEnum


class OnnxPurpose(StrEnum):
    """Any program, or the QGIS plugin Deepness."""

    any = "any"
    deepness = "deepness"
