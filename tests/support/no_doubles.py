"""A device without double precision, as Apple's GPUs are: the CPU plays it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _NoDoubles(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses to make doubles of what is not in the main memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._moved: dict[int, Tensor] = {}  # kept, so that no other tensor gets their place

    def add(self, moved: Tensor) -> Tensor:
        """Note a tensor that is in the main memory."""
        self._moved[_place(moved)] = moved
        return moved

    def _is_in_main_memory(self, item: Tensor) -> bool:
        return item.dtype == torch.float64 or _place(item) in self._moved

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [item for item in tree_leaves((args, kwargs)) if isinstance(item, Tensor)]
        made = [item for item in tree_leaves(result) if isinstance(item, Tensor)]
        if given and all(map(self._is_in_main_memory, given)):
            for item in made:
                self.add(item)
        elif given and any(item.dtype == torch.float64 for item in made):
            raise TypeError("the device knows no double precision")
        return result


def _place(item: Tensor) -> int:
    return item.untyped_storage().data_ptr() if item.layout == torch.strided else id(item)


@contextmanager
def no_doubles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tensors be without double precision until `cpu()` is called."""
    mode, to = _NoDoubles(), Tensor.to

    def cpu(self: Tensor) -> Tensor:
        return mode.add(self.detach().clone())

    def moved_to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        target = [*args, kwargs.get("device")]
        if self.dtype == torch.float64 and any(isinstance(item, torch.device) for item in target):
            raise TypeError("the device knows no double precision")
        return to(self, *args, **kwargs)

    with monkeypatch.context() as patched, mode:
        patched.setattr(Tensor, "cpu", cpu)
        patched.setattr(Tensor, "to", moved_to)
        yield
