"""Windows over a scene: where they lie, how they are weighted, what their rows take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnas_cli.errors import UsageError
from dnas_cli.mapping.memory import row_bytes
from dnas_cli.mapping.windows import WindowGrid, reflected


def test_windows_begin_half_an_overlap_before_the_scene_and_end_as_far_behind() -> None:
    starts = [span.start for span in WindowGrid(512, 128).spans(1000)]
    assert starts == [-64, 320, 704]


def test_a_scene_that_fits_one_window_lies_in_its_middle() -> None:
    spans = WindowGrid(512, 128).spans(200)
    assert [span.start for span in spans] == [-156]
    assert (spans[0].weights == 1).all()


@given(
    length=st.integers(1, 300),
    window=st.integers(1, 80),
    overlap_share=st.floats(0, 1),
    shift_share=st.floats(0, 1, exclude_max=True),
)
@settings(deadline=None, max_examples=100)
def test_weights_add_up_to_one_at_every_pixel_of_any_scene(
    length: int, window: int, overlap_share: float, shift_share: float
) -> None:
    overlap = int(window // 2 * overlap_share)
    grid = WindowGrid(window, overlap, int(shift_share * (window - overlap)))
    total = np.zeros(length)
    for span in grid.spans(length):
        for offset, weight in enumerate(span.weights):
            if 0 <= span.start + offset < length:
                total[span.start + offset] += weight
    assert total == pytest.approx(1)


def test_pixels_outside_the_scene_are_mirrored_as_often_as_needed() -> None:
    assert reflected(-2, 9, 4).tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert reflected(-3, 5, 1).tolist() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(("window", "overlap"), [(0, 0), (64, 33), (64, -1)])
def test_windows_that_make_no_sense_are_refused(window: int, overlap: int) -> None:
    with pytest.raises(UsageError):
        WindowGrid(window, overlap)


def test_memory_of_rows_follows_from_the_width_alone_and_stays_small() -> None:
    # 30,000 pixels, 4 bands in 8 bits, 5 classes: 184 MB of scene, 77 of shared rows, 46 of map.
    size = row_bytes(30_000, 4, "uint8", 5, WindowGrid(512, 128), shares=0)
    assert size == 2 * 512 * 30_000 * 6 + 5 * 128 * 30_000 * 4 + 2 * 384 * 30_000 * 2
    assert size < 310e6
