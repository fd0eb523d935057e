"""How long a stage will still take, by the epochs that this process has trained."""

from dataclasses import dataclass

from dnas_cli.run.settings import SearchSettings, TrainingSettings

WITH_LOGITS = 1.7  # time of a step with one of the logits, where one of the weights alone is 1


@dataclass
class Pace:
    """The pace of a stage's training.

    Attributes:
        settings: Its settings.
        epochs: All epochs, with extensions.
        training: Seconds of the last epoch, without validation, at a cost of 1; 0 if unknown.
        validation: Seconds of the last validation.
    """

    settings: TrainingSettings
    epochs: int
    training: float = 0.0
    validation: float = 0.0

    def count(self, epoch: int, training: float, validation: float) -> None:
        """Count an epoch, from 0, and its validation; 0 where there was none."""
        self.training = training / self._cost(epoch)
        self.validation = validation or self.validation

    def left(self, epoch: int) -> float | None:
        """Return the seconds from the start of an epoch to the end; None if unknown."""
        if not self.training:
            return None
        rest = range(epoch, self.epochs)
        validations = sum(self._is_validated(item) for item in rest)
        return sum(map(self._cost, rest)) * self.training + validations * self.validation

    def _cost(self, epoch: int) -> float:
        settings = self.settings
        learns = isinstance(settings, SearchSettings) and epoch >= settings.weight_epochs
        return WITH_LOGITS if learns else 1.0

    def _is_validated(self, epoch: int) -> bool:
        return (epoch + 1) % self.settings.validate_every == 0 or epoch + 1 == self.epochs
