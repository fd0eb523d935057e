"""An ONNX graph that grows node by node.

The graph is written with `onnx` alone. PyTorch's exporter takes minutes for a network of a thousand
operators, writes an IR version that older runtimes refuse, and leaves lines of source code in every
node.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 18
IR_VERSION = 9
"""The newest that ONNX Runtime 1.17 loads."""

Value = str
Size = tuple[int, int] | Value
"""Height and width: two numbers, or the name of a value that holds them at run time."""


class OnnxGraph:
    """Nodes and constants of a graph; every method adds to it and returns the name of a value."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._shared: dict[tuple[int, ...], Value] = {}
        self._count = 0

    def node(self, kind: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> Value:
        """Add an operator with one output."""
        return self.nodes(kind, *inputs, outputs=1, **attributes)[0]

    def nodes(self, kind: str, *inputs: Value, outputs: int, **attributes: Any) -> list[Value]:
        """Add an operator with several outputs."""
        from onnx import helper

        names = [self._name(kind.lower()) for _ in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def constant(self, value: npt.ArrayLike) -> Value:
        """Add an array."""
        from onnx import numpy_helper

        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def integers(self, *values: int) -> Value:
        """Return a list of 64-bit integers, which those who want the same list share."""
        if values not in self._shared:
            self._shared[values] = self.constant(np.array(values, np.int64))
        return self._shared[values]

    def convolution(
        self,
        x: Value,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32] | None = None,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> Value:
        """Convolve; the resolution stays, or is divided by the stride and rounded up."""
        padding = dilation * (weight.shape[-1] // 2)
        more = [] if bias is None else [self.constant(bias)]
        return self.node(
            "Conv",
            x,
            self.constant(weight),
            *more,
            kernel_shape=list(weight.shape[-2:]),
            strides=[stride] * 2,
            dilations=[dilation] * 2,
            pads=[padding] * 4,
            group=groups,
        )

    def resize(self, x: Value, size: Size) -> Value:
        """Resize bilinearly with aligned corners."""
        target = size if isinstance(size, str) else self.integers(*size)
        return self.node(
            "Resize",
            x,
            "",
            "",
            target,
            mode="linear",
            coordinate_transformation_mode="align_corners",
            axes=[2, 3],
        )

    def size_of(self, x: Value) -> Value:
        """Return height and width of a map (N, C, H, W)."""
        return self.node("Shape", x, start=2, end=4)

    def half(self, size: Size) -> Size:
        """Return half a size, rounded up."""
        if not isinstance(size, str):
            return (size[0] + 1) // 2, (size[1] + 1) // 2
        one_more = self.node("Add", size, self.integers(1))
        return self.node("Div", one_more, self.integers(2))

    def sum(self, values: Sequence[Value]) -> Value:
        """Add values of one shape, or with one that is spread over the others."""
        total = values[0]
        for value in values[1:]:
            total = self.node("Add", total, value)
        return total

    def model(
        self,
        inputs: Mapping[Value, Sequence[int | str]],
        output: Value,
        output_shape: Sequence[int | str],
        output_name: str,
        metadata: dict[str, str],
    ) -> Any:
        """Return the whole as an ONNX model of 32-bit numbers.

        Args:
            inputs: Name to shape; a word in a shape stands for any number.
            output_name: What it is called outside.
            metadata: Facts about the model.
        """
        from onnx import TensorProto, helper

        from dnas_cli import __version__

        self._nodes.append(helper.make_node("Identity", [output], [output_name]))
        graph = helper.make_graph(
            self._nodes,
            "dnas",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
                for name, shape in inputs.items()
            ],
            [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, list(output_shape))],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="dnas",
            producer_version=__version__,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, metadata)
        return model

    def _name(self, kind: str) -> Value:
        self._count += 1
        return f"{kind}_{self._count}"
