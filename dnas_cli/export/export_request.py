"""What is exported: the options of `dnas export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dnas_cli.errors import UsageError
from dnas_cli.typed_fields import option

OnnxPurpose = Literal["any", "deepness"]
"""The readers of an ONNX file: any program, or the QGIS plugin Deepness."""


@dataclass(frozen=True)
class ExportRequest:
    """The forms of an export."""

    onnx: Path | None = option(None, "Write an ONNX file.", metavar="FILE")
    purpose: OnnxPurpose = option(
        "any", "any: raw values in; deepness: as the QGIS plugin reads it.", flag="--for"
    )
    program: Path | None = option(
        None, "Write a .pt2 of torch.export.", metavar="FILE", flag="--torch"
    )
    card: Path | None = option(None, "Write a model card (Markdown).", metavar="FILE")
    stac: Path | None = option(None, "Write a STAC Item of the model.", metavar="FILE")
    licence: str = option("", "Licence of the model, such as CC-BY-4.0.", metavar="TEXT")
    figures: Path | None = option(
        None, "Figures for the card.  [default: the run's]", metavar="JSON"
    )
    ground_resolution: float | None = option(
        None,
        "Ground resolution.  [default: the model's]",
        metavar="METRES",
        flag="--resolution",
    )
    check: bool = option(True, "Compare the ONNX file with the model.", flag="--check/--no-check")

    @property
    def files(self) -> tuple[Path, ...]:
        """What is written."""
        paths = (self.onnx, self.program, self.card, self.stac)
        return tuple(path for path in paths if path is not None)

    def __post_init__(self) -> None:
        if not self.files:
            what = "onnx=FILE, program=FILE, card=FILE or stac=FILE"
            raise UsageError("No output is named.", f"Give {what}.")
        if self.program is not None and self.program.suffix != ".pt2":
            raise UsageError(f"program={self.program}: must end in .pt2.")
        if self.onnx is not None and self.onnx.suffix.lower() != ".onnx":
            raise UsageError(f"onnx={self.onnx}: must end in .onnx.")
        if self.ground_resolution is not None and not self.ground_resolution > 0:
            raise UsageError(f"ground_resolution={self.ground_resolution}: must be above zero.")
