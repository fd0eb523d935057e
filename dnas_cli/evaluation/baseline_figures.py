"""Does a search earn its cost? A found network's scores beside those of random ones."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dnas_cli.bootstrap import drawn_times, mean_ious
from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.files import make_folder, remove_leftovers
from dnas_cli.json_files import read_json, write_json
from dnas_cli.metrics import ConfusionMatrix, merged
from dnas_cli.typed_fields import build, ruled

FOUND, RANDOM, CANDIDATE = "found", "random-", "candidate-"
"""Names of members; those of random architectures and candidates end in a number."""

T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """One network that was trained and scored.

    Attributes:
        name: `found`, `random-1`, `candidate-2`, or a peer, as `unet:resnet18, equal steps`.
        split: What it was scored on.
        val_mean_iou: On the validation split, where it was scored there.
        scenes: Confusion matrix per scene of the split; per tile where it has one scene.
        model_hash: Of the model file that was scored, or of a peer's last checkpoint.
        supernet_mean_iou: What the trained supernet said of the architecture, where it was asked.
    """

    name: str
    seed: int
    split: str
    parameters: int
    multiply_accumulates: int = field(metadata=ruled(at_least=0, at_most=1 << 62))
    val_mean_iou: float | None
    scenes: dict[str, ConfusionMatrix]
    model_hash: str
    supernet_mean_iou: float | None = None

    @property
    def mean_iou(self) -> float:
        """Mean IoU over all scenes of the split."""
        return _mean_iou(list(self.scenes.values()))

    def to_json(self) -> dict[str, Any]:
        """Return the member as plain data."""
        scenes = {scene: matrix.to_json() for scene, matrix in self.scenes.items()}
        return {**vars(self), "mean_iou": self.mean_iou, "scenes": scenes}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Member":
        """Build a member from plain data; ValueError, KeyError or TypeError if it is none."""
        scenes = {key: ConfusionMatrix.from_json(item) for key, item in value["scenes"].items()}
        known = {key: item for key, item in value.items() if key not in ("mean_iou", "scenes")}
        return replace(build(Member, known | {"scenes": {}}), scenes=scenes)


@dataclass(frozen=True)
class Comparison:
    """What members say together; scores are means over seeds, of mean IoU.

    Attributes:
        found_spread: Standard deviation between its seeds; None with one seed.
        random: Mean over the random networks.
        random_spread: Standard deviation between them; None with one.
        percentile: Share of the random networks that the found one is above, in percent.
        difference: Of the found network over the random mean.
        relative: The same as a share of the random mean.
        interval: 95 % of that difference over draws of scenes, of tiles where there is one scene;
            None where scores of an older version do not tell these apart.
        rank_agreement: Kendall's tau between validation and the split, over all networks of the
            space; None where not all are scored on validation, or all are equal.
        supernet_agreement: Kendall's tau between what the supernet said and the split, over the
            architectures that it scored; None where there are not two.
        peers: Mean of each standard network.
    """

    found: float
    found_spread: float | None
    random: float
    random_spread: float | None
    best_random: float
    percentile: float
    difference: float
    relative: float
    interval: tuple[float, float] | None
    rank_agreement: float | None
    supernet_agreement: float | None = None
    peers: dict[str, float] = field(default_factory=dict)


def baseline_path(root: Path) -> Path:
    """Return where a run's baseline is."""
    return root / "baseline" / "results.json"


def read_members(path: Path) -> list[Member]:
    """Read the members of a baseline; none where there is no such file.

    Raises:
        DataError: It is damaged.
    """
    if not path.is_file():
        return []
    content = read_json(path)
    try:
        return [Member.from_json(item) for item in content["members"]]
    except MALFORMED as error:
        raise DataError(
            f"{path}: is not a baseline ({brief(error)}).",
            "Remove it; `dnas baseline` scores the networks again.",
        ) from error


def read_comparison(path: Path) -> Comparison | None:
    """Read what the members of a baseline say together; None where there is no such file.

    Raises:
        DataError: It is damaged.
    """
    if not path.is_file():
        return None
    try:
        value = read_json(path)["comparison"]
        return None if value is None else build(Comparison, value)
    except MALFORMED as error:
        raise DataError(f"{path}: is not a baseline ({brief(error)}).") from error


def write_members(path: Path, members: Sequence[Member]) -> None:
    """Write the members of a baseline, with what they say together once there are both kinds."""
    make_folder(path.parent)
    both = any(item.name == FOUND for item in members) and any(map(_is_random, members))
    comparison = asdict(compare(members)) if both else None
    content = {"comparison": comparison, "members": [member.to_json() for member in members]}
    remove_leftovers(path.parent, path.name)
    write_json(path, content)


def compare(members: Sequence[Member], seed: int = 0) -> Comparison:
    """Compare the found network with the random ones.

    Args:
        members: Of both kinds.
    """
    means = {
        name: statistics.mean(own)
        for name, own in _by_name(members, lambda member: member.mean_iou).items()
    }
    found = [member.mean_iou for member in members if member.name == FOUND]
    others = {name: score for name, score in means.items() if name.startswith(RANDOM)}
    own_space = [member for member in members if ":" not in member.name]
    asked = {item.name: item.supernet_mean_iou for item in members if item.supernet_mean_iou}
    mean, average = statistics.mean(found), statistics.mean(others.values())
    return Comparison(
        found=mean,
        found_spread=_spread(found),
        random=average,
        random_spread=_spread(list(others.values())),
        best_random=max(others.values()),
        percentile=100 * statistics.mean(mean > other for other in others.values()),
        difference=mean - average,
        relative=mean / average - 1 if average else 0.0,
        interval=_interval(
            [item for item in members if item.name == FOUND or _is_random(item)], seed
        ),
        rank_agreement=_agreement(own_space),
        supernet_agreement=kendall_tau(list(asked.values()), [means[name] for name in asked]),
        peers={name: score for name, score in means.items() if ":" in name},
    )


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return the rank correlation of two sequences, with ties counted out (tau-b).

    Returns:
        1 for the same order, -1 for the opposite; None where one of them is all ties.
    """
    from scipy.stats import kendalltau  # takes a while to load

    tau = float(kendalltau(a, b).statistic) if len(a) > 1 else math.nan
    return None if math.isnan(tau) else tau


def _is_random(member: Member) -> bool:
    return member.name.startswith(RANDOM)


def _agreement(members: Sequence[Member]) -> float | None:
    known = [member.val_mean_iou for member in members if member.val_mean_iou is not None]
    if len(known) < len(members):
        return None
    return kendall_tau(known, [member.mean_iou for member in members])


def _interval(members: Sequence[Member], seed: int) -> tuple[float, float] | None:
    """Return the middle 95 % of the difference when scenes are drawn with repetition."""
    names = sorted(members[0].scenes)
    if len(names) < 2 or any(sorted(member.scenes) != names for member in members):
        return None
    times = drawn_times(len(names), seed)
    scores = _by_name(
        members, lambda member: mean_ious([member.scenes[name] for name in names], times).tolist()
    )
    means = {
        name: [statistics.mean(seeds) for seeds in zip(*own, strict=True)]
        for name, own in scores.items()
    }
    found, others = means.pop(FOUND), zip(*means.values(), strict=True)
    differences = [own - statistics.mean(rest) for own, rest in zip(found, others, strict=True)]
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


def _by_name(members: Sequence[Member], score: Callable[[Member], T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for member in members:
        found.setdefault(member.name, []).append(score(member))
    return found


def _mean_iou(matrices: Sequence[ConfusionMatrix]) -> float:
    total = merged(matrices)
    return total.metrics().mean_iou if total.pixels else 0.0


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
