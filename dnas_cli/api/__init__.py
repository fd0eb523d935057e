"""The Python door: what the command line does, as functions of Python.

`import dnas_cli as dnas` hands these functions on. Paths may be text; a tile set, run or model
that a function returned may be given in place of its path. Errors are `DnasError`s that name the
parameter or the file; `docs/python.md` shows how the functions go together.
"""

from dnas_cli.api.first_release import (
    export_coding,
    import_architecture,
    import_model,
    import_search,
)
from dnas_cli.api.maps import change, export_model, load_model, predict, predict_scenes
from dnas_cli.api.networks import build_network, count_cost
from dnas_cli.api.runs import (
    decode,
    encode,
    estimate,
    measure,
    open_run,
    plan,
    retrain,
    run_pipeline,
    search,
    write_report,
)
from dnas_cli.api.scores import baseline, evaluate, info, suggest
from dnas_cli.api.tile_sets import preview, tile

__all__ = [
    "baseline", "build_network", "change", "count_cost", "decode", "encode", "estimate", "evaluate",
    "export_coding", "export_model", "import_architecture", "import_model", "import_search", "info",
    "load_model", "measure", "open_run", "plan", "predict", "predict_scenes", "preview", "retrain",
    "run_pipeline", "search", "suggest", "tile", "write_report",
]  # fmt: skip
