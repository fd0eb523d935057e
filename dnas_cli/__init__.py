"""Decoupled architecture search for scene segmentation, from labelled scenes to maps.

    import dnas_cli as dnas

hands on the functions of `dnas_cli.api`, which are loaded when one is first used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "build_network", "decode", "encode", "evaluate", "info", "load_model", "open_run", "predict",
    "predict_scenes", "retrain", "run", "search", "tile",
]  # fmt: skip

if TYPE_CHECKING:
    from dnas_cli.api import (
        build_network,
        decode,
        encode,
        evaluate,
        info,
        load_model,
        open_run,
        predict,
        predict_scenes,
        retrain,
        run,
        search,
        tile,
    )


def __getattr__(name: str) -> Any:
    if name in __all__:
        from dnas_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
