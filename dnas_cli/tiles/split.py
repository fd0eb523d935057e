"""The split into train, val and test: whole units, every class wherever it can be.

A pure function of names, class pixel counts, ratio and seed, in whole numbers throughout: the same
on any machine. The seed gives the units an order by hash; units with the rarest classes are dealt
out first (iterative stratification, Sechidis et al. 2011), then units are swapped between splits
as long as that puts a missing class into a split or brings the class shares closer to the overall
ones.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dnas_cli.tiles.lists import SPLITS

_MOST_SWAPPED = 600  # units; above, all pairs are too many and chance balances the shares anyway
_SCALE = 1_000_000  # shares are compared in millionths
_MISSING = 10**9  # what a class missing from a split costs; above any sum of share differences


def split_units(
    pixels: Mapping[str, Sequence[int]], ratio: tuple[int, int, int], seed: int
) -> dict[str, str]:
    """Divide units (scenes or tiles) among train, val and test.

    Args:
        pixels: Labelled pixels per class, of every unit by its name.
        ratio: Parts of train, val and test, such as (6, 2, 2).
        seed: Seed of the split.

    Returns:
        The split of every unit by its name.
    """
    if not pixels:
        return {}
    names = sorted(pixels, key=lambda name: _draw(name, seed))
    counts = np.array([list(pixels[name]) for name in names], np.int64)  # (units, classes)
    sizes = split_sizes(len(names), ratio)
    assignment = _deal(counts, sizes)
    if len(names) <= _MOST_SWAPPED:
        _swap(counts, assignment, sizes)
    return {name: SPLITS[split] for name, split in zip(names, assignment.tolist(), strict=True)}


def split_sizes(units: int, ratio: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return how many units each split gets: by largest remainder, but none without any.

    150 units by 6:2:2 -> 90, 30, 30. Three units -> 1, 1, 1. Two -> 1, 1, 0. One -> 1, 0, 0.
    """
    total = sum(ratio)
    sizes = [units * part // total for part in ratio]
    by_remainder = sorted(range(3), key=lambda split: (-(units * ratio[split] % total), split))
    for split in by_remainder[: units - sum(sizes)]:
        sizes[split] += 1
    for split in range(3):
        largest = max(range(3), key=lambda other: (sizes[other], -other))
        if ratio[split] and not sizes[split] and sizes[largest] > 1:
            sizes[split] += 1
            sizes[largest] -= 1
    if units and not sizes[0] and ratio[0]:
        # A single unit goes where the work begins.
        sizes = [units, 0, 0]
    return sizes[0], sizes[1], sizes[2]


def _draw(name: str, seed: int) -> tuple[bytes, str]:
    return hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest(), name


def _deal(counts: npt.NDArray[np.int64], sizes: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """Assign units, those with the rarest class first, to the split that lacks that class most."""
    units, classes = counts.shape
    present = counts > 0  # (units, classes)
    assignment = np.full(units, -1, np.int64)
    room = list(sizes)
    # Units per class that a split still wants, times the number of units to stay whole.
    wanted = [[size * int(present[:, c].sum()) for c in range(classes)] for size in sizes]

    def assign(unit: int, split: int) -> None:
        assignment[unit] = split
        room[split] -= 1
        for c in np.flatnonzero(present[unit]).tolist():
            wanted[split][c] -= units

    left = {c: set(np.flatnonzero(present[:, c]).tolist()) for c in range(classes)}
    while any(left.values()):
        rarest = min((c for c in left if left[c]), key=lambda c: (len(left[c]), c))
        for unit in sorted(left[rarest]):
            open_splits = [split for split in range(3) if room[split] > 0]
            best = max(open_splits, key=lambda split: (wanted[split][rarest], room[split], -split))
            assign(unit, best)
            for others in left.values():
                others.discard(unit)
    for unit in np.flatnonzero(assignment < 0).tolist():
        assign(unit, max(range(3), key=lambda split: (room[split], -split)))
    return assignment


def _swap(
    counts: npt.NDArray[np.int64], assignment: npt.NDArray[np.int64], sizes: tuple[int, int, int]
) -> None:
    """Swap the best pair of units between splits until no swap helps; changes `assignment`."""
    used = [split for split in range(3) if sizes[split]]
    total = counts.sum(axis=0)
    # Pixels of a split, in millionths of the class, at most 1e6 * units: far from overflowing.
    shares = counts * _SCALE // np.maximum(total, 1)  # (units, classes)
    possible = (counts > 0).sum(axis=0) >= len(used)
    target = {split: _SCALE * sizes[split] // len(counts) for split in used}
    for _ in range(2 * len(counts)):
        best: tuple[int, int, int] | None = None
        for position, first in enumerate(used):
            for second in used[position + 1 :]:
                ours = np.flatnonzero(assignment == first)
                theirs = np.flatnonzero(assignment == second)
                gain = _gains(shares, ours, theirs, target[first], target[second], possible, total)
                at = int(np.argmax(gain))
                value = int(gain.flat[at])
                if value > 0 and (best is None or value > best[0]):
                    row, column = divmod(at, len(theirs))
                    best = value, int(ours[row]), int(theirs[column])
        if best is None:
            return
        _, one, other = best
        assignment[one], assignment[other] = assignment[other], assignment[one]


def _gains(
    shares: npt.NDArray[np.int64],
    ours: npt.NDArray[np.intp],
    theirs: npt.NDArray[np.intp],
    our_target: int,
    their_target: int,
    possible: npt.NDArray[np.bool_],
    total: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return how much better every swap between two splits is: (ours, theirs)."""
    from scipy.spatial.distance import cdist

    # In floats, whose whole numbers are exact far beyond the largest sum.
    our_shares, their_shares = shares[ours].astype(float), shares[theirs].astype(float)
    our_sum, their_sum = our_shares.sum(axis=0), their_shares.sum(axis=0)  # (classes,)
    our_excess = (our_sum - our_target) * (total > 0)
    their_excess = (their_sum - their_target) * (total > 0)
    # A swap adds theirs - ours to our sum. So what we are off by, |our excess + theirs - ours|
    # summed over the classes, is a distance of two vectors.
    after = cdist(our_shares, their_shares + our_excess, "cityblock")
    after += cdist(our_shares, their_shares - their_excess, "cityblock")
    after += _MISSING * _missing(our_shares, their_shares, our_sum, possible)
    after += _MISSING * _missing(their_shares, our_shares, their_sum, possible).T
    before = np.abs(our_excess).sum() + np.abs(their_excess).sum()
    for sums in (our_sum, their_sum):
        before += _MISSING * np.count_nonzero((sums <= 0) & possible)
    return np.asarray(before - after, np.int64)


def _missing(
    ours: npt.NDArray[np.float64],
    theirs: npt.NDArray[np.float64],
    our_sum: npt.NDArray[np.float64],
    possible: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Return how many classes our split lacks after every swap: (ours, theirs)."""
    count = np.zeros((len(ours), len(theirs)))
    if not len(ours) or not len(theirs):
        return count
    # Most classes are in so many units that no swap takes away the last one.
    for c in np.flatnonzero(possible & (ours.max(axis=0) - theirs.min(axis=0) >= our_sum)):
        count += ours[:, c, None] - theirs[:, c] >= our_sum[c]
    return count
