"""ONNX Runtime as a network: torch tensors in and out."""

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnas_cli.errors import DataError, DnasError, brief
from dnas_cli.nets.network import Network
from dnas_cli.nets.onnx.graph import OnnxGraph
from dnas_cli.nets.onnx.network import add_network


def require_onnx() -> None:
    """Check that the libraries for ONNX are there.

    Raises:
        DnasError: One of them is missing.
    """
    for name in ("onnx", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise DnasError(
                f"ONNX needs {name}, which is not installed.", "pip install 'dnas[onnx]'"
            ) from error


def logits_model(network: Network, height: int, width: int) -> bytes:
    """Return a network from normalised images to logits as an ONNX file, for one size of image."""
    graph = OnnxGraph()
    logits = add_network(graph, network, "image", (height, width))
    shape = network.shape
    model = graph.model(
        {"image": ["N", shape.bands, height, width]},
        logits,
        ["N", shape.classes, height, width],
        "logits",
        {},
    )
    content: bytes = model.SerializeToString()
    return content


class OnnxSession:
    """An ONNX file, ready to run on as many threads as PyTorch has.

    Attributes:
        metadata: The facts of the file.

    Args:
        name: What errors call it.

    Raises:
        DnasError: ONNX Runtime is not installed.
        DataError: The content is no model that it runs.
    """

    def __init__(self, content: bytes, name: str) -> None:
        require_onnx()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            facts = self._session.get_modelmeta().custom_metadata_map
            self.metadata: dict[str, str] = dict(facts)
        except Exception as error:  # its errors have no class of their own in common
            raise DataError(
                f"{name}: is not a model that ONNX Runtime can load ({brief(error)})."
            ) from error
        self.name = name

    def __call__(self, image: Tensor, **more: Tensor) -> Tensor:
        """Run the model on a batch of images (N, B, H, W) float32.

        Raises:
            DataError: It does not run.
        """
        feeds = {"image": image, **more}
        arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in feeds.items()}
        try:
            result: np.ndarray[Any, np.dtype[np.float32]] = self._session.run(None, arrays)[0]
        except Exception as error:  # as above
            raise DataError(f"{self.name}: ONNX Runtime cannot run it ({brief(error)}).") from error
        return torch.from_numpy(result)
