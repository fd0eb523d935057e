"""Comparing an ONNX file with its model: it is written only if both give the same maps."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dnas_cli.errors import DnasError
from dnas_cli.export.onnx_forms import OnnxForm
from dnas_cli.model.model_file import Model
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.onnx.runtime import OnnxSession
from dnas_cli.scenes.normalisation import Moments, Normalisation

_SIZES = ((1, 64, 96), (2, 37, 53), (1, 129, 65), (3, 16, 1), (1, 250, 131))
"""Number, height and width of the test images for a file of any size."""
_CLASSES = 0.9999
_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Agreement:
    """The agreement of a file with its model.

    Attributes:
        pixels: Number of compared pixels.
        same_class: Share of them with the same class.
        difference: Largest difference of a probability.
    """

    pixels: int
    same_class: float
    difference: float


@torch.inference_mode()
def check_onnx(form: OnnxForm, model: Model, name: str) -> Agreement:
    """Run a file and its model on synthetic images with the statistics of the training data.

    Raises:
        DnasError: They disagree.
    """
    import onnx

    onnx.checker.check_model(form.content, full_check=True)
    session, network = OnnxSession(form.content, name), fold(model.network)
    rng = np.random.default_rng(0)
    pixels = same = 0
    difference = 0.0
    sizes = _SIZES if form.size is None else ((1, form.size, form.size), (2, form.size, form.size))
    for count, height, width in sizes:
        images = _images(rng, model, count, height, width)
        moments = Moments(tuple(images.mean((0, 2, 3))), tuple(images.std((0, 2, 3))))
        more, valid = {}, np.ones((height, width), bool)
        if form.normalisation is None:
            valid[: height // 4, : width // 4] = False
        else:
            images = np.clip(images, 0, 255)
        ours = _ours(model.facts.normalisation.of_image(moments), images, valid)
        expected = torch.softmax(network(ours), 1)
        if form.normalisation is None:
            images[:, :, ~valid] = np.nan
            given = torch.from_numpy(images)
            if model.facts.normalisation.per_image:
                more = {
                    "mean": torch.tensor(moments.mean, dtype=torch.float32),
                    "std": torch.tensor(moments.std, dtype=torch.float32),
                }
        else:
            given = _ours(form.normalisation, images, valid)
        found = session(given, **more)
        pixels += count * height * width
        same += int((found.argmax(1) == expected.argmax(1)).sum())
        difference = max(difference, float((found - expected).abs().max()))
    agreement = Agreement(pixels, same / pixels, difference)
    if agreement.same_class < _CLASSES or not difference <= _PROBABILITY:
        raise DnasError(
            f"{name}: is not written: it disagrees with the model. "
            f"{100 * agreement.same_class:.4f} % of {pixels} pixels have the same class, "
            f"probabilities differ by {difference:.2g} at most.",
            "Update onnxruntime; check=False writes the file anyway.",
        )
    return agreement


def _images(
    rng: np.random.Generator, model: Model, count: int, height: int, width: int
) -> npt.NDArray[np.float32]:
    """Return raw values (N, B, H, W) with the mean and deviation of the training data, in blobs."""
    normalisation = model.facts.normalisation
    mean, std = (
        np.array(values)[:, None, None] / normalisation.scale
        for values in (normalisation.mean, normalisation.std)
    )
    rows, columns = (np.arange(length) // 8 for length in (height, width))
    shape = (count, len(mean), rows[-1] + 1, columns[-1] + 1)
    blobs = rng.standard_normal(shape)[:, :, rows][:, :, :, columns]
    noise = rng.standard_normal((count, len(mean), height, width))
    values = mean + std * (0.9 * blobs + 0.4 * noise)
    kind = np.dtype(model.facts.dtype)
    if kind.kind in "iu":
        values = np.clip(np.rint(values), np.iinfo(kind).min, np.iinfo(kind).max)
    return np.asarray(values, np.float32)


def _ours(
    normalisation: Normalisation, images: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]
) -> torch.Tensor:
    return torch.from_numpy(np.stack([normalisation.apply(image, valid) for image in images]))
