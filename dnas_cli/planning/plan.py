"""A plan: sizes, settings and times of all stages, as data that a person can read and edit."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.files import remove_leftovers
from dnas_cli.json_files import check_schema, read_json, write_json
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.planning.measurements import DataFacts, Machine, Size, StepTime
from dnas_cli.run.given_settings import Preset
from dnas_cli.run.manifest import STAGES
from dnas_cli.typed_fields import SettingValue, build, option

SCHEMA = "dnas/plan"
VERSION = 1
NAME = "plan.json"


@dataclass(frozen=True)
class StagePlan:
    """The plan of a stage.

    Attributes:
        name: `stage1` to `stage3`, or `retrain`.
        epochs: Epochs.
        steps: Steps per epoch.
        settings: Its other settings, over the preset.
        seconds: Time it will take.
        taken: Time it took; 0 until it is finished.
        fixed: Keep its epochs when the rest is planned again.
    """

    name: str
    epochs: int = option(1, at_least=1)
    steps: int = option(1, at_least=1)
    settings: dict[str, SettingValue] = field(default_factory=dict)
    seconds: float = option(0.0, at_least=0)
    taken: float = option(0.0, at_least=0)
    fixed: bool = False


@dataclass(frozen=True)
class Plan:
    """A plan of a run.

    Attributes:
        budget: Seconds that all may take.
        machine: The machine it is for.
        data: The data it is for.
        size: Layers, width, head, batch and crop.
        memory: The execution mode.
        preset: The base of all settings.
        stages: In order.
        closing: Seconds of evaluation and report.
        spent: Seconds spent so far beside the training.
        reasons: Why it is so, a sentence each.
        measured: Steps of the stages, measured before the first.
        measuring: Seconds from the start of the command to the plan.
        starting: Seconds from the end of a stage to the first step of the next.
        closed: Seconds that evaluation and report took; 0 until they are finished.
    """

    budget: float
    machine: Machine
    data: DataFacts
    size: Size
    memory: ExecutionMode
    preset: Preset
    stages: tuple[StagePlan, ...]
    closing: float = option(0.0, at_least=0)
    spent: float = option(0.0, at_least=0)
    reasons: tuple[str, ...] = ()
    measured: tuple[StepTime, ...] = ()
    measuring: float = option(0.0, at_least=0)
    starting: float = option(0.0, at_least=0)
    closed: float = option(0.0, at_least=0)

    def __post_init__(self) -> None:
        if tuple(item.name for item in self.stages) != STAGES:
            raise ValueError(f"its stages are not {', '.join(STAGES)}")

    @property
    def seconds(self) -> float:
        """Time of all: taken where a stage is finished, else planned."""
        starts = max(sum(not item.taken for item in self.stages) - 1, 0)
        stages = sum(item.taken or item.seconds for item in self.stages)
        return self.spent + stages + starts * self.starting + (self.closed or self.closing)

    def stage(self, name: str) -> StagePlan:
        """Return the plan of a stage."""
        return next(item for item in self.stages if item.name == name)

    def with_stage(self, stage: StagePlan) -> "Plan":
        """Return the plan with one stage's replaced."""
        stages = tuple(stage if item.name == stage.name else item for item in self.stages)
        return replace(self, stages=stages)

    def seconds_after(self, name: str) -> float:
        """Return the planned time of what follows a stage."""
        names = [item.name for item in self.stages]
        later = self.stages[names.index(name) + 1 :]
        return self.closing + sum(self.starting + item.seconds for item in later)


def write_plan(root: Path, plan: Plan) -> None:
    """Write `plan.json` into a run."""
    remove_leftovers(root, NAME)
    write_json(root / NAME, {"schema": SCHEMA, "version": VERSION, **asdict(plan)})


def read_plan(root: Path) -> Plan | None:
    """Read the plan of a run; None without one.

    Raises:
        DataError: It is damaged, or of another version.
    """
    path = root / NAME
    if not path.is_file():
        return None
    value = check_schema(read_json(path), SCHEMA, VERSION, str(path), "plan of a run")
    try:
        return build(Plan, {k: v for k, v in value.items() if k not in ("schema", "version")})
    except MALFORMED as error:
        raise DataError(f"{path}: is not a valid plan ({brief(error)}).") from error
