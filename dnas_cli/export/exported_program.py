"""A model as a program of `torch.export`, which runs with PyTorch and without `dnas`."""

from pathlib import Path

import torch
from torch import Tensor, nn

from dnas_cli.files import atomic_path
from dnas_cli.model.model_file import Model
from dnas_cli.model.onnx_facts import KEY, OnnxFacts
from dnas_cli.scenes.normalisation import FLAT, Normalisation

_EXAMPLE = (2, 161, 227)  # images, height, width; the program takes any others


class RawToProbabilities(nn.Module):
    """The network with the step from raw values before it and the softmax after it."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network = network
        self.scale = float(normalisation.scale)
        self.register_buffer("mean", _per_band(torch.tensor(normalisation.mean)))
        self.register_buffer("std", _per_band(torch.tensor(normalisation.std)))

    mean: Tensor
    std: Tensor

    def forward(
        self, image: Tensor, image_mean: Tensor | None = None, image_std: Tensor | None = None
    ) -> Tensor:
        """Map raw values to probabilities.

        Args:
            image: (N, B, H, W), NaN where there is no data.
            image_mean: (B,) of the whole image, for a model that normalises every image by itself.
            image_std: (B,) likewise.

        Returns:
            (N, classes, H, W).
        """
        mean, std = self.mean, self.std
        if image_mean is not None and image_std is not None:
            has_contrast = _per_band(image_std) * self.scale > FLAT * std
            mean = torch.where(has_contrast, _per_band(image_mean) * self.scale, mean)
            std = torch.where(has_contrast, _per_band(image_std) * self.scale, std)
        normalised = (image * self.scale - mean) / std
        filled = torch.where(torch.isnan(image), torch.zeros_like(normalised), normalised)
        return torch.softmax(self.network(filled), 1)


def write_exported_program(path: Path, model: Model, facts: OnnxFacts) -> None:
    """Write a `.pt2` file that `torch.export.load` reads; `dnas.json` in it holds the facts.

    Raises:
        DnasError: It cannot be written.
    """
    bands = len(model.facts.bands)
    count, height, width = _EXAMPLE
    size = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    arguments: tuple[Tensor, ...] = (torch.zeros(count, bands, height, width),)
    dynamic: tuple[dict[int, object] | None, ...] = (size,)
    if model.facts.normalisation.per_image:
        arguments += (torch.zeros(bands), torch.ones(bands))
        dynamic += (None, None)
    program = torch.export.export(
        RawToProbabilities(model.network, model.facts.normalisation).eval(),
        arguments,
        dynamic_shapes=dynamic,
        strict=False,
    )
    for node in program.graph.nodes:  # lines of source code and their paths
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn"):
            node.meta.pop(key, None)
    with atomic_path(path) as temporary:
        torch.export.save(program, temporary, extra_files={f"{KEY}.json": facts.to_text()})


def _per_band(values: Tensor) -> Tensor:
    return values.reshape(1, -1, 1, 1)
