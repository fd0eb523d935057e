"""Where the weights of a model come from, as its file says it."""

from typing import TypedDict


class DroppedCell(TypedDict):
    """A dead cell of an imported network: it feeds no output, or nothing feeds it."""

    source: list[int]
    target: list[int]
    operators: list[str]
    executed: bool


class Provenance(TypedDict, total=False):
    """Versions, run and figures of a training, or the file of an imported model."""

    dnas: str
    torch: str
    python: str
    created: str
    run: str
    epoch: int
    averaged: int
    val_mean_iou: float | None
    tile_set: str
    initial_weights: str
    initial_space: str
    initial_hash: str
    tournament: str
    imported_from: str
    imported_hash: str
    dropped_cells: list[DroppedCell]
