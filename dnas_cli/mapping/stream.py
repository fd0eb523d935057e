"""A scene through a network, one row of windows after the other, in bounded memory.

Only the rows that two rows of windows share are kept between them, as class probabilities; all
else is finished and handed out before the next row of windows is read. So memory grows with the
width of a scene and not with its height.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from dnas_cli.errors import DnasError
from dnas_cli.mapping.windows import Span, WindowGrid, reflected
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import IGNORE
from dnas_cli.scenes.raster import Scene, Window

Item = TypeVar("Item")
Network = Callable[[torch.Tensor], torch.Tensor]

FULL_SHARE = 254  # a probability of 1 in the 8-bit rasters; 255 stays free for "no data"


@dataclass(frozen=True)
class Reader:
    """How a network wants its input and what it gives back.

    Attributes:
        network: (N, B, H, W) float32 normalised -> (N, classes, H, W) logits.
        classes: Number of classes.
        normalisation: From stored band values to network input.
        device: Where the network is.
        batch: Windows per forward pass.
        flips: Average over the four mirrored views of each window.
    """

    network: Network
    classes: int
    normalisation: Normalisation
    device: torch.device
    batch: int = 1
    flips: bool = False


@dataclass(frozen=True)
class MapRows:
    """Finished rows of a map.

    Attributes:
        row: The first of them.
        classes: (h, W) class indices, 255 where there is no data.
        confidence: (h, W) probability of that class, 0..254 for 0..1, 255 where there is no data.
        probabilities: (C, h, W) probability of each class, likewise; only if asked for.
    """

    row: int
    classes: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class _Job:
    """Neighbouring windows of one row of windows, ready for the network."""

    row_index: int
    first: int  # index of the first window among its row
    images: npt.NDArray[np.float32]  # (n, B, window, window), only windows with data
    has_data: tuple[bool, ...]  # per window
    valid: npt.NDArray[np.bool_]  # (rows finished by this row of windows, W)


def rows_of_windows(height: int, grid: WindowGrid) -> int:
    """Return how many rows of windows cover a scene."""
    return len(grid.spans(height))


def stream_map(
    scene: Scene,
    reader: Reader,
    grid: WindowGrid,
    first_row: int = 0,
    with_probabilities: bool = False,
    window_done: Callable[[int], None] = lambda count: None,
) -> Iterator[MapRows]:
    """Map a scene and yield its rows from top to bottom, every row once.

    Args:
        scene: Read with the bands in the network's order.
        reader: The network.
        grid: The windows.
        first_row: Rows above it are known already; it must be the end of rows yielded before.
        with_probabilities: Yield the probability of every class, too.
        window_done: Told how many windows are done, as they are.

    Raises:
        DataError: The scene is damaged.
        DnasError: The device has too little memory.
    """
    rows, columns = grid.spans(scene.height), grid.spans(scene.width)
    first_index = _row_to_start(rows, scene.height, first_row)
    blend = _Blend(grid, rows, columns, scene.height, scene.width, reader, with_probabilities)
    jobs = _jobs(scene, reader, grid, rows, columns, first_index)
    for job in _prefetched(jobs):
        finished = blend.add(job, probabilities(reader, job.images))
        window_done(len(job.has_data))
        if finished is not None and finished.row >= first_row and finished.classes.size:
            yield finished


def _ends(rows: tuple[Span, ...], length: int) -> list[int]:
    """Return the row up to which the map is finished after each row of windows."""
    return [min(max(span.start, 0), length) for span in rows[1:]] + [length]


def _row_to_start(rows: tuple[Span, ...], height: int, first_row: int) -> int:
    """Return the row of windows to begin with: the one before, for the rows it shares."""
    if first_row == 0:
        return 0
    return _ends(rows, height).index(first_row)


def _jobs(
    scene: Scene,
    reader: Reader,
    grid: WindowGrid,
    rows: tuple[Span, ...],
    columns: tuple[Span, ...],
    first_index: int,
) -> Iterator[_Job]:
    size = grid.window
    ends = _ends(rows, scene.height)
    column_places = [reflected(span.start, size, scene.width) for span in columns]
    for row_index in range(first_index, len(rows)):
        start = rows[row_index].start
        places = reflected(start, size, scene.height)
        top, bottom = int(places.min()), int(places.max()) + 1
        values, valid = scene.read_with_validity(Window(top, 0, bottom - top, scene.width))
        begin = ends[row_index - 1] if row_index else 0
        finished_valid = valid[begin - top : ends[row_index] - top]
        for first in range(0, len(columns), reader.batch):
            images, has_data = [], []
            for across in column_places[first : first + reader.batch]:
                window_valid = _gather(valid, places - top, across)
                has_data.append(bool(window_valid.any()))
                if has_data[-1]:
                    window_values = _gather(values, places - top, across)
                    images.append(_input(window_values, window_valid, reader.normalisation))
            yield _Job(
                row_index,
                first,
                np.stack(images) if images else np.empty((0, 0, size, size), np.float32),
                tuple(has_data),
                finished_valid,
            )
        del values, valid, finished_valid  # before the next row of windows is read


def _gather(
    values: npt.NDArray[Any], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[Any]:
    if rows[-1] - rows[0] == rows.size - 1 and columns[-1] - columns[0] == columns.size - 1:
        inside: npt.NDArray[Any] = values[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return inside
    mirrored: npt.NDArray[Any] = values[..., rows[:, None], columns]
    return mirrored


def _input(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], normalisation: Normalisation
) -> npt.NDArray[np.float32]:
    if valid.all():
        return normalisation.apply(values)
    # Zero first: scaling a nodata value of -3.4e38 would overflow.
    return normalisation.apply(np.where(valid, values, np.zeros((), values.dtype)), valid)


def _prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`, each prepared on another thread while the one before is worked on."""
    end = object()
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


@torch.inference_mode()
def probabilities(reader: Reader, images: npt.NDArray[np.float32]) -> torch.Tensor:
    """Return class probabilities (n, C, H, W) float32 of normalised images.

    Raises:
        DnasError: The device has too little memory.
    """
    if not len(images):
        return torch.empty((0, reader.classes, *images.shape[2:]), device=reader.device)
    views: list[tuple[int, ...]] = [(), (2,), (3,), (2, 3)] if reader.flips else [()]
    try:
        batch = torch.from_numpy(images).to(reader.device)
        total: torch.Tensor | None = None
        for axes in views:
            logits = reader.network(batch.flip(axes) if axes else batch)
            shares = torch.softmax(logits.float(), dim=1)
            shares = shares.flip(axes) if axes else shares
            total = shares if total is None else total.add_(shares)
    except torch.OutOfMemoryError as error:
        raise DnasError(
            f"{reader.device}: too little memory for {len(images)} windows of "
            f"{images.shape[-1]} pixels at once.",
            "Give a smaller --batch or --window.",
        ) from error
    assert total is not None
    assert total.shape[1] == reader.classes
    return total / len(views) if reader.flips else total


class _Blend:
    """Adds up weighted probabilities and lets rows go as soon as nothing more comes to them."""

    def __init__(
        self,
        grid: WindowGrid,
        rows: tuple[Span, ...],
        columns: tuple[Span, ...],
        height: int,
        width: int,
        reader: Reader,
        with_probabilities: bool,
    ) -> None:
        self._grid = grid
        self._rows = rows
        self._classes = reader.classes
        self._with_probabilities = with_probabilities
        self._ends = _ends(rows, height)
        self._column_ends = _ends(columns, width)
        self._width = width
        device = reader.device
        self._row_weights = [torch.from_numpy(span.weights).to(device) for span in rows]
        self._column_weights = [torch.from_numpy(span.weights).to(device) for span in columns]
        self._columns = columns
        # What the row of windows above adds to the rows it shares with this one: (C, overlap, W).
        self._above = torch.zeros((reader.classes, grid.overlap, width), device=device)
        # What the window to the left adds to the columns it shares with this one.
        self._left = torch.zeros((reader.classes, grid.window, grid.overlap), device=device)
        self._row = 0
        self._finished: MapRows | None = None

    @torch.inference_mode()
    def add(self, job: _Job, probabilities: torch.Tensor) -> MapRows | None:
        """Add windows; return the finished rows after the last window of a row of windows."""
        if job.first == 0:
            self._begin_row(job.row_index)
        number = 0
        for offset, has_data in enumerate(job.has_data):
            index = job.first + offset
            if has_data:
                block = probabilities[number] * self._column_weights[index]
                block *= self._row_weights[job.row_index][:, None]  # (C, window, window)
                number += 1
            else:
                size = self._grid.window
                block = self._left.new_zeros((self._classes, size, size))
            self._place(job.row_index, index, block)
        if job.first + len(job.has_data) < len(self._columns):
            return None
        return self._finish_row(job.valid)

    def _begin_row(self, row_index: int) -> None:
        self._row = self._ends[row_index - 1] if row_index else 0
        height = self._ends[row_index] - self._row
        depth = self._classes if self._with_probabilities else 0
        self._class_rows = np.empty((height, self._width), np.uint8)
        self._confidence_rows = np.empty((height, self._width), np.uint8)
        self._probability_rows = np.empty((depth, height, self._width), np.uint8)

    def _place(self, row_index: int, index: int, block: torch.Tensor) -> None:
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
            self._class_rows[:, begin:end] = classes.to(torch.uint8).cpu().numpy()
            self._confidence_rows[:, begin:end] = _as_share(best)
            if self._with_probabilities:
                self._probability_rows[:, :, begin:end] = _as_share(done)

    def _finish_row(self, valid: npt.NDArray[np.bool_]) -> MapRows:
        self._class_rows[~valid] = IGNORE
        self._confidence_rows[~valid] = IGNORE
        self._probability_rows[:, ~valid] = IGNORE
        return MapRows(
            self._row,
            self._class_rows,
            self._confidence_rows,
            self._probability_rows if self._with_probabilities else None,
        )


def _as_share(values: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Turn 0..1 into 0..254."""
    scaled = values.mul(FULL_SHARE).round_().clamp_(0, FULL_SHARE)
    result: npt.NDArray[np.uint8] = scaled.to(torch.uint8).cpu().numpy()
    return result
