"""Overlapping windows blended into finished rows of a map.

Probabilities are added up with smooth weights; rows are let go as soon as no window below can
change them. All of it happens where the network is: a row goes to main memory when it is finished.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dnas_cli.mapping.window_batches import WindowBatch
from dnas_cli.mapping.windows import WindowGrid, finished_ends
from dnas_cli.metrics import IGNORE

_ROUNDING = 1e-3  # how far the sum of a pixel's probabilities may be from 1
FULL_SHARE = 254  # a probability of 1 in the 8-bit rasters; 255 stays free for "no data"


@dataclass(frozen=True)
class MapRows:
    """Finished rows of a map.

    Attributes:
        row: The first of them.
        classes: (h, W) class indices, 255 where there is no data.
        confidence: (h, W) probability of that class, 0..254 for 0..1, 255 where there is no data.
        probabilities: (C, h, W) probability of each class, likewise; only if asked for.
        unsound: Pixels with data whose probabilities do not sum to 1; they count as without data.
        entropy: (h, W) entropy of the probabilities as a share of the largest, 0..254 for 0..1,
            255 where there is no data; only if asked for.
        margin: (h, W) probability of the class less that of the next one, likewise.
    """

    row: int
    classes: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.uint8] | None
    unsound: int = 0
    entropy: npt.NDArray[np.uint8] | None = None
    margin: npt.NDArray[np.uint8] | None = None


class Blend:
    """Adds up weighted probabilities and lets rows go as soon as nothing more comes to them."""

    def __init__(
        self,
        grid: WindowGrid,
        height: int,
        width: int,
        classes: int,
        device: torch.device,
        with_probabilities: bool,
        with_certainty: bool = False,
    ) -> None:
        self._grid = grid
        self._rows, self._columns = rows, columns = grid.spans(height), grid.spans(width)
        self._classes = classes
        self._device = device
        self._with_probabilities = with_probabilities
        self._with_certainty = with_certainty
        self._ends = finished_ends(rows, height)
        self._column_ends = finished_ends(columns, width)
        self._width = width
        self._row_weights = [torch.from_numpy(span.weights).to(device) for span in rows]
        self._column_weights = [torch.from_numpy(span.weights).to(device) for span in columns]
        # What the row of windows above adds to the rows it shares with this one: (C, overlap, W).
        self._above = torch.zeros((classes, grid.overlap, width), device=device)
        # What the window to the left adds to the columns it shares with this one.
        self._left = torch.zeros((classes, grid.window, grid.overlap), device=device)
        self._row = 0

    @torch.inference_mode()
    def add(self, batch: WindowBatch, probabilities: torch.Tensor) -> MapRows | None:
        """Add windows; return the finished rows after the last window of a row of windows."""
        if batch.first == 0:
            self._begin_row(batch.row_index)
        number = 0
        for offset, has_data in enumerate(batch.has_data):
            index = batch.first + offset
            if has_data:
                block = probabilities[number] * self._column_weights[index]
                block *= self._row_weights[batch.row_index][:, None]  # (C, window, window)
                number += 1
            else:
                size = self._grid.window
                block = self._left.new_zeros((self._classes, size, size))
            self._add_window(batch.row_index, index, block)
        if batch.first + len(batch.has_data) < len(self._columns):
            return None
        return self._finish_row(batch.valid)

    def _begin_row(self, row_index: int) -> None:
        self._row = self._ends[row_index - 1] if row_index else 0
        shape = (self._ends[row_index] - self._row, self._width)
        depth = self._classes if self._with_probabilities else 0
        self._class_rows = self._bytes(shape)
        self._confidence_rows = self._bytes(shape)
        self._probability_rows = self._bytes((depth, *shape))
        self._certainty_rows = self._bytes((2 if self._with_certainty else 0, *shape))
        self._sound_rows = torch.zeros(shape, dtype=torch.bool, device=self._device)

    def _bytes(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, dtype=torch.uint8, device=self._device)

    def _add_window(self, row_index: int, index: int, block: torch.Tensor) -> None:
        overlap, stride = self._grid.overlap, self._grid.stride
        span = self._columns[index]
        if index and overlap:
            block[:, :, :overlap] += self._left
        begin = self._column_ends[index - 1] if index else 0
        end = self._column_ends[index]
        if index < len(self._columns) - 1:
            self._left = block[:, :, stride:].clone()
        block = block[:, :, begin - span.start : end - span.start]
        if overlap and row_index:
            block[:, :overlap] += self._above[:, :, begin:end]
        if overlap and row_index < len(self._rows) - 1:
            self._above[:, :, begin:end] = block[:, stride:]
        top = self._row - self._rows[row_index].start
        done = block[:, top : top + len(self._class_rows)]  # (C, h, columns finished)
        if done.numel():
            best, classes = done.max(dim=0)
            self._class_rows[:, begin:end] = classes
            self._confidence_rows[:, begin:end] = _as_share(best)
            # Values beyond all that was trained on can overflow in the network.
            self._sound_rows[:, begin:end] = (done.sum(dim=0) - 1).abs() < _ROUNDING
            if self._with_probabilities:
                self._probability_rows[:, :, begin:end] = _as_share(done)
            if self._with_certainty:
                self._certainty_rows[0, :, begin:end] = _as_share(_entropy(done))
                self._certainty_rows[1, :, begin:end] = _as_share(_margin(done))

    def _finish_row(self, valid: npt.NDArray[np.bool_]) -> MapRows:
        finished = (
            self._class_rows, self._confidence_rows, self._probability_rows, self._certainty_rows,
        )  # fmt: skip
        classes, confidence, probabilities, certainty = (rows.cpu().numpy() for rows in finished)
        sound = self._sound_rows.cpu().numpy()
        for rows in (classes, confidence, probabilities, certainty):
            rows[..., ~(valid & sound)] = IGNORE
        return MapRows(
            self._row,
            classes,
            confidence,
            probabilities if self._with_probabilities else None,
            int(np.count_nonzero(valid & ~sound)),
            *(certainty if self._with_certainty else ()),
        )


def _entropy(shares: torch.Tensor) -> torch.Tensor:
    """Return the entropy of probabilities (C, h, w): 0 for one class, 1 where all are equal."""
    entropy: torch.Tensor = torch.special.entr(shares).sum(dim=0)
    return entropy / math.log(max(len(shares), 2))


def _margin(shares: torch.Tensor) -> torch.Tensor:
    """Return how far the highest of probabilities (C, h, w) is above the next."""
    if len(shares) == 1:
        return shares[0]
    highest: torch.Tensor = shares.topk(2, dim=0).values
    return highest[0] - highest[1]


def _as_share(values: torch.Tensor) -> torch.Tensor:
    """Turn 0..1 into 0..254."""
    return values.mul(FULL_SHARE).round_().clamp_(0, FULL_SHARE).to(torch.uint8)
