"""A penalty on the expected cost above a target, in the steps of the logits.

`weight * ramp * max(0, expected / target - 1)`. The ramp grows to 1 over the first half of the
epochs in which logits learn. After each of them the weight is doubled if what the logits decode to
costs more than the target, and halved if not.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from dnas_cli.nets.cost_table import CostTable
from dnas_cli.nets.expected_cost import expected_cost
from dnas_cli.run.rows import EpochRow
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.coding import SearchSpace

_FIRST_WEIGHT, _LEAST, _MOST = 1.0, 2.0**-6, 2.0**10


class CostPenalty:
    """The penalty of one search.

    The weight is a function of the history's rows, so that resuming needs nothing else.

    Args:
        space: The stage's space.
        table: Costs of parts.
        target: The largest cost.
        settings: Of the search.
        history: Reads the rows so far.
    """

    def __init__(
        self,
        space: SearchSpace,
        table: CostTable,
        target: int,
        settings: SearchSettings,
        history: Callable[[], Sequence[EpochRow]],
    ) -> None:
        self._space, self._table, self._target = space, table, target
        self._settings, self._history = settings, history
        self._factor = 0.0

    def start_epoch(self, epoch: int) -> None:
        """Take the weight and the ramp of an epoch."""
        self._factor = self.weight(epoch) * ramp(self._settings, epoch)

    def weight(self, epoch: int) -> float:
        """Return the weight in an epoch, by the decoded costs after those before it."""
        weight = _FIRST_WEIGHT
        for row in self._history():
            if self._settings.weight_epochs <= row["epoch"] < epoch:
                above = row["decoded_cost"] > self._target
                weight = min(max(weight * (2.0 if above else 0.5), _LEAST), _MOST)
        return weight

    def __call__(self, logits: Sequence[Tensor]) -> Tensor:
        """Return the penalty of effective logits, one vector per node."""
        expected = expected_cost(self._space, logits, self._table, float(self._target))
        return self._factor * (expected - 1).clamp(min=0)


def ramp(settings: SearchSettings, epoch: int) -> float:
    """Return the share of the penalty in an epoch: with logits from 2 to 9, 1/4, 2/4, 3/4, 1, 1."""
    learning, passed = settings.epochs - settings.weight_epochs, epoch - settings.weight_epochs
    return min(max(passed + 1, 0) / max(learning / 2, 1), 1.0)
