"""A model with all it takes to map scenes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dnas_cli.errors import UsageError
from dnas_cli.files import file_hash
from dnas_cli.mapping.blending import FULL_SHARE, MapRows
from dnas_cli.mapping.image_moments import image_moments
from dnas_cli.mapping.map_options import Engine, Views
from dnas_cli.mapping.memory import process_bytes
from dnas_cli.mapping.stream import Network, Predictor, stream_map
from dnas_cli.mapping.windows import WindowGrid
from dnas_cli.metrics import IGNORE
from dnas_cli.model.model_file import Model, load_model
from dnas_cli.model.onnx_model import SUFFIX, OnnxModel, load_onnx_model
from dnas_cli.nets.device import half_precision, resolve_device
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.onnx.runtime import OnnxSession, logits_model
from dnas_cli.scenes.normalisation import AsStored
from dnas_cli.scenes.pixels import ArrayPixels, Pixels


@dataclass(frozen=True)
class MapSettings:
    """How a scene goes through the network; what is missing is chosen from model and device.

    As in `MapOptions`; `shift` moves the grid of windows, of use to measure seams alone.
    """

    window: int | None = None
    overlap: int | None = None
    batch: int | None = None
    views: Views = "plain"
    shift: int = 0

    def grid(self, tile_size: int) -> WindowGrid:
        """Return the windows for a model trained on tiles of `tile_size` pixels."""
        window = tile_size if self.window is None else self.window
        overlap = window // 4 if self.overlap is None else self.overlap
        return WindowGrid(window, overlap, self.shift)


@dataclass(frozen=True)
class Mapper:
    """A model with all it takes to map scenes.

    Attributes:
        model_id: Changes when the weights do; work of another model is not resumed.
        path: The model file; empty for a model of none.
    """

    model: Model | OnnxModel
    model_id: str
    device: torch.device
    settings: MapSettings = field(default_factory=MapSettings)
    engine: Engine = "torch"
    path: str = ""

    def predict(
        self, array: npt.ArrayLike, valid: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.uint8]:
        """Map an array of any size, with overlapping windows as `predict` maps a scene.

        Args:
            array: (B, H, W) band values as they are stored, in the order of `model.facts.bands`.
            valid: (H, W) bool, true where a pixel holds data. When missing: everywhere but where
                a value is not finite, or is the nodata value of the training data.

        Returns:
            (H, W) uint8 class indices, 255 without data.

        Raises:
            UsageError: An array has another shape or kind.
        """
        return np.concatenate([rows.classes for rows in self._mapped(array, valid)])

    def probabilities(
        self, array: npt.ArrayLike, valid: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.float32]:
        """Return how probable each class is, for an array as `predict` takes it.

        Returns:
            (C, H, W) float32 from 0 to 1 in steps of 1/254, as rasters of probabilities have
            them; NaN without data.

        Raises:
            UsageError: An array has another shape or kind.
        """
        rows = [rows.probabilities for rows in self._mapped(array, valid, True)]
        stored = np.concatenate([part for part in rows if part is not None], axis=1)
        shares = stored.astype(np.float32) / np.float32(FULL_SHARE)
        shares[stored == IGNORE] = np.nan
        return shares

    def _mapped(
        self,
        array: npt.ArrayLike,
        valid: npt.ArrayLike | None,
        with_probabilities: bool = False,
    ) -> Iterator[MapRows]:
        facts = self.model.facts
        pixels = ArrayPixels(array, facts.bands, valid, facts.nodata)
        predictor = self.predictor_of(pixels)
        return stream_map(pixels, predictor, self.grid, with_probabilities=with_probabilities)

    @property
    def grid(self) -> WindowGrid:
        """The windows."""
        return self.settings.grid(self.model.facts.tile_size)

    def predictor_of(self, scene: Pixels) -> Predictor:
        """Return the network with the normalisation for a scene.

        Normalisation per image takes a pass over the scene first.

        Raises:
            DataError: The scene is damaged.
        """
        if not self.model.facts.normalisation.per_image:
            return self.predictor
        moments = image_moments(scene)
        if isinstance(self.model, OnnxModel):
            mean, std = torch.tensor(moments.mean), torch.tensor(moments.std)
            network = partial(_logits, self.model.session, mean=mean, std=std)
            return replace(self.predictor, network=network)
        constants = self.model.facts.normalisation.of_image(moments)
        return replace(self.predictor, normalisation=constants)

    @property
    def predictor(self) -> Predictor:
        """The network, before a scene is known."""
        facts = self.model.facts
        batch = self.settings.batch or (8 if self.device.type == "cuda" else 1)
        return Predictor(
            self._network,
            len(facts.classes),
            AsStored() if isinstance(self.model, OnnxModel) else facts.normalisation,
            self.device,
            batch,
            self.settings.views,
            self.dtype,
        )

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in: 16 bits on a GPU; probabilities are blended in 32."""
        return half_precision(self.device) or torch.float32

    @cached_property
    def _network(self) -> Network:
        if isinstance(self.model, OnnxModel):
            if not self.model.facts.normalisation.per_image:
                return partial(_logits, self.model.session)
            # No scene is known yet: any moments will do.
            some = torch.ones(len(self.model.facts.bands))
            return partial(_logits, self.model.session, mean=some, std=some)
        if self.engine == "torch":
            return fold(self.model.network).to(self.dtype)
        window = self.grid.window
        content = logits_model(self.model.network, window, window)
        return OnnxSession(content, "the network for ONNX Runtime")

    @cached_property
    def process_bytes(self) -> int:
        """The memory of the process with the network, after one forward pass."""
        return process_bytes(self.predictor, len(self.model.facts.bands), self.grid)


def _logits(session: OnnxSession, image: torch.Tensor, **moments: torch.Tensor) -> torch.Tensor:
    """Return logits of a model that gives probabilities."""
    return session(image, **moments).log()


def load_mapper(
    path: Path, device: str, settings: MapSettings, engine: Engine | None = None
) -> Mapper:
    """Load a model for mapping.

    Args:
        path: The model file, or an ONNX file of `dnas export`.
        device: As `resolve_device` takes it.
        settings: Of the windows; checked against the model's tile size.
        engine: What runs the network; ONNX Runtime for an ONNX file, else PyTorch, when missing.

    Raises:
        DataError: It is not a model file.
        UsageError: The device does not exist or the engine does not run there, or the windows
            make no sense.
        DnasError: ONNX Runtime is not installed.
    """
    is_onnx = path.suffix.lower() == SUFFIX
    if is_onnx and engine == "torch":
        raise UsageError(f"{path}: PyTorch does not run ONNX files.", "Give engine=onnx, or none.")
    engine = engine or ("onnx" if is_onnx else "torch")
    if engine == "onnx" and device not in ("auto", "cpu"):
        raise UsageError(f"engine=onnx: runs on the CPU, not on {device}.", "Leave device=... out.")
    where = resolve_device("cpu" if engine == "onnx" else device)
    model = load_onnx_model(path) if is_onnx else load_model(path, where)
    mapper = Mapper(model, file_hash(path), where, settings, engine, str(path))
    settings.grid(model.facts.tile_size)
    return mapper
