"""Decoupled architecture search for scene segmentation, from labelled scenes to maps.

    import dnas_cli as dnas

hands on the functions of `dnas_cli.api`, which are loaded when one is first used.
"""

# ruff: noqa: F403, F405  (type checkers see the names of `dnas_cli.api`)
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "baseline", "build_network", "change", "count_cost", "decode", "encode", "estimate", "evaluate",
    "export_coding", "export_model", "import_architecture", "import_model", "import_search", "info",
    "load_model", "measure", "open_run", "plan", "predict", "predict_scenes", "preview", "retrain",
    "run_pipeline", "search", "suggest", "tile", "write_report",
]  # fmt: skip

if TYPE_CHECKING:
    from dnas_cli.api import *


def __getattr__(name: str) -> Any:
    if name in __all__:
        from dnas_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
