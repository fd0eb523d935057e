"""A model as an ONNX file: for any program, or for the QGIS plugin Deepness."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnas_cli.errors import UsageError
from dnas_cli.model.model_file import Model
from dnas_cli.model.onnx_facts import KEY, OnnxFacts
from dnas_cli.nets.onnx.graph import OnnxGraph, Size, Value
from dnas_cli.nets.onnx.network import add_network
from dnas_cli.scenes.normalisation import FLAT, Normalisation

_OVERLAP = 25  # percent of a tile, as in `dnas predict`


@dataclass(frozen=True)
class OnnxForm:
    """An ONNX file before it is written.

    Attributes:
        size: Height and width of its input; None for any.
        normalisation: What its user does to band values first; None if the file does it.
    """

    content: bytes
    size: int | None
    normalisation: Normalisation | None


def for_any(model: Model, facts: OnnxFacts) -> OnnxForm:
    """Return a file from raw band values to class probabilities, of any number and size.

    NaN pixels hold no data: they become the mean, as in maps. A model that normalises every image
    by itself also needs the image's `mean` and `std` per band, in raw units.
    """
    graph = OnnxGraph()
    bands, classes = len(model.facts.bands), len(model.facts.classes)
    inputs: dict[Value, list[int | str]] = {"image": ["N", bands, "H", "W"]}
    if model.facts.normalisation.per_image:
        inputs |= {"mean": [bands], "std": [bands]}
    normalised = _normalised(graph, model.facts.normalisation)
    output = _probabilities(graph, model, normalised, graph.size_of("image"))
    content = graph.model(
        inputs, output, ["N", classes, "H", "W"], "probabilities", {KEY: facts.to_text()}
    )
    return OnnxForm(content.SerializeToString(), None, None)


def for_deepness(model: Model) -> OnnxForm:
    """Return a file as Deepness reads it: one size of tile, its own normalisation, its own keys.

    The plugin divides 8-bit values by 255, subtracts `standardization_mean` and divides by
    `standardization_std`. A pixel gets the class of the largest output of at least `seg_thresh`, so
    a threshold of 0 changes nothing; `seg_small_segment` is the size of a filter, and 0 is none.
    The plugin's documentation names `tiles_size`; the plugin reads `tile_size`.

    Raises:
        UsageError: The plugin cannot express the model.
    """
    normalisation = model.facts.normalisation
    if model.facts.dtype != "uint8":
        raise _refused(
            f"it was trained on {model.facts.dtype} values, and Deepness takes 8-bit bands only"
        )
    if normalisation.per_image:
        raise _refused("it normalises every image by itself, and Deepness has constants only")
    if model.facts.ground_resolution is None:
        raise UsageError(
            "purpose=deepness: the model's ground resolution is not known.",
            "Give it in metres per pixel, for example ground_resolution=0.5",
        )
    graph = OnnxGraph()
    bands, classes, size = len(model.facts.bands), len(model.facts.classes), model.facts.tile_size
    output = _probabilities(graph, model, "image", (size, size))
    plain = 255 * normalisation.scale
    constants = Normalisation(
        1 / 255,
        tuple(mean / plain for mean in normalisation.mean),
        tuple(std / plain for std in normalisation.std),
    )
    values: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(i): item.name for i, item in enumerate(model.facts.classes)},
        "resolution": round(100 * model.facts.ground_resolution, 4),
        "tile_size": size,
        "tiles_size": size,
        "tiles_overlap": _OVERLAP,
        "standardization_mean": list(constants.mean),
        "standardization_std": list(constants.std),
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    content = graph.model(
        {"image": ["N", bands, size, size]},
        output,
        ["N", classes, size, size],
        "probabilities",
        {key: json.dumps(value) for key, value in values.items()},
    )
    return OnnxForm(content.SerializeToString(), size, constants)


def _probabilities(graph: OnnxGraph, model: Model, image: Value, size: Size) -> Value:
    return graph.node("Softmax", add_network(graph, model.network, image, size), axis=1)


def _normalised(graph: OnnxGraph, normalisation: Normalisation) -> Value:
    """Add the step from raw values to network input, as `Normalisation.apply` computes it."""
    scale = np.float32(normalisation.scale)
    mean, std = (
        graph.constant(np.array(values, np.float32).reshape(1, -1, 1, 1))
        for values in (normalisation.mean, normalisation.std)
    )
    if normalisation.per_image:
        shape = graph.integers(1, len(normalisation.mean), 1, 1)
        scaled = [
            graph.node("Mul", graph.node("Reshape", name, shape), graph.constant(scale))
            for name in ("mean", "std")
        ]
        flat = graph.node("Mul", std, graph.constant(np.float32(FLAT)))
        has_contrast = graph.node("Greater", scaled[1], flat)
        mean = graph.node("Where", has_contrast, scaled[0], mean)
        std = graph.node("Where", has_contrast, scaled[1], std)
    y = graph.node("Mul", "image", graph.constant(scale))
    y = graph.node("Div", graph.node("Sub", y, mean), std)
    return graph.node("Where", graph.node("IsNaN", "image"), graph.constant(np.float32(0)), y)


def _refused(reason: str) -> UsageError:
    return UsageError(
        f"purpose=deepness: the model cannot be expressed: {reason}.",
        "Export it with purpose=any and use it outside of the plugin.",
    )
