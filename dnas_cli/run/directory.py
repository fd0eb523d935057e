"""The run directory: where everything is, and how codings chain (see docs/architecture.md)."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dnas_cli import __version__
from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.file_kinds import RUN, wrong_kind
from dnas_cli.file_lock import locked
from dnas_cli.files import file_hash, make_folder, remove_leftovers
from dnas_cli.json_files import read_json, write_json
from dnas_cli.run.given_settings import RunSettings
from dnas_cli.run.history import FlatRow, flat_history
from dnas_cli.run.manifest import STAGES, Lineage, Manifest, StageRecord, TileSetLink
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
)

CODINGS = {1: "path", 2: "connections", 3: "architecture"}
"""The name of each stage's coding."""

_KINDS: dict[int, type[Coding]] = {1: PathCoding, 2: ConnectionCoding, 3: ArchitectureCoding}


class Run:
    """An existing run directory."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest

    @property
    def model_path(self) -> Path:
        """The retrained model."""
        return self.root / "model.pt"

    def trained_model(self) -> Path:
        """Return the retrained model.

        Raises:
            DataError: There is none yet.
        """
        if not self.model_path.is_file():
            raise DataError(
                f"{self.model_path}: the run has no model yet.", f"Run: {self.next_command()}"
            )
        return self.model_path

    @property
    def evaluation_folder(self) -> Path:
        """Metrics and confusion matrices."""
        return self.root / "eval"

    @property
    def log_path(self) -> Path:
        """The log."""
        return self.root / "dnas.log"

    def stage_folder(self, stage: str) -> Path:
        """Return the folder of checkpoints and history of `stage1` .. `stage3` or `retrain`."""
        return self.root / stage if stage == "retrain" else self.root / "search" / stage

    def coding_path(self, name: str) -> Path:
        """Return the file of a coding or space: `stage1`, `path`, `connections`, ..."""
        return self.root / "coding" / f"{name}.json"

    @property
    def tile_set_path(self) -> Path:
        """The tile set's folder: relative to the run directory, else its first location."""
        link = self.manifest.tile_set
        near = (self.root / link.path).resolve()
        if not near.is_dir() and link.absolute and Path(link.absolute).is_dir():
            return Path(link.absolute)
        return near

    def record(self, stage: str) -> StageRecord | None:
        """Return a stage's record."""
        return self.manifest.stages.get(stage)

    def set_record(
        self, stage: str, record: StageRecord, settings: RunSettings | None = None
    ) -> None:
        """Replace a stage's record, in memory and on disk; with new settings of the run, if any."""
        with self._updating():
            self.manifest = self.manifest.with_stage(stage, record)
            if settings is not None:
                self.manifest = replace(self.manifest, settings=settings)

    def set_tile_set(self, tile_set: Path) -> None:
        """Change where the tile set is; its content is the same."""
        with self._updating():
            fingerprint = self.manifest.tile_set.fingerprint
            place = link_path(self.root, tile_set)
            link = TileSetLink(place, fingerprint, str(tile_set.resolve()))
            self.manifest = replace(self.manifest, tile_set=link)

    def set_settings(self, settings: RunSettings) -> None:
        """Replace the settings that the run was given."""
        with self._updating():
            self.manifest = replace(self.manifest, settings=settings)

    def set_network(self, layers: int, width: int) -> None:
        """Change layers and width, as encoding stage 1 again does."""
        with self._updating():
            self.manifest = replace(self.manifest, layers=layers, width=width)

    def space(self, stage: int) -> SearchSpace:
        """Return a stage's search space, checked to descend from the run's own codings.

        Raises:
            DataError: It is missing, damaged, or belongs to another coding.
        """
        path = self.coding_path(f"stage{stage}")
        if not path.is_file():
            raise DataError(
                f"{path}: stage {stage} is not encoded yet.",
                f"Run: dnas encode {self.root} --stage {stage}",
            )
        space = SearchSpace.read(path)
        if space.stage != stage:
            raise DataError(f"{path}: holds the space of stage {space.stage}.")
        self._check_layers(path, space.graph.layers, self._again("encode", stage))
        parent = None if stage == 1 else self.coding(stage - 1).hash
        if space.derived_from != parent:
            raise DataError(
                f"{path}: does not descend from {self._coding_name(stage - 1)} of this run.",
                self._again("encode", stage),
            )
        return space

    def coding(self, stage: int) -> Coding:
        """Return the coding decoded from a stage, checked to descend from its space.

        Raises:
            DataError: It is missing, damaged, or belongs to another space.
            RunStateError: The stage was extended since it was decoded.
        """
        path = self.coding_path(CODINGS[stage])
        if not path.is_file():
            raise DataError(
                f"{path}: stage {stage} is not decoded yet.",
                f"Run: {self.next_command()}",
            )
        record = self.record(f"stage{stage}")
        if record is not None and record.phase != "decoded":
            raise RunStateError(
                f"{path}: stage {stage} was extended since it was decoded.",
                f"Run: dnas decode {shlex.quote(str(self.root))} --stage {stage} --overwrite",
            )
        coding = _KINDS[stage].read(path)
        if stage < 3:  # adopting an architecture brings its own layers
            self._check_layers(path, coding.body()["layers"], self._again("decode", stage))
        space_path = self.coding_path(f"stage{stage}")
        if space_path.is_file() and coding.derived_from != SearchSpace.read(space_path).hash:
            raise DataError(
                f"{path}: does not descend from {space_path.name} of this run.",
                self._again("decode", stage),
            )
        return coding

    def history(self) -> list[FlatRow]:
        """Return a flat row per epoch of every stage, in order, ready for pandas.

        `stage` is `stage1` to `stage3` or `retrain`; the other columns are those of `flat_history`.

        Raises:
            DataError: A history is damaged.
        """
        return [
            {"stage": stage, **row}
            for stage in STAGES
            for row in flat_history(self.stage_folder(stage))
        ]

    def path(self) -> PathCoding:
        """Return the result of stage 1."""
        coding = self.coding(1)
        assert isinstance(coding, PathCoding)
        return coding

    def connections(self) -> ConnectionCoding:
        """Return the result of stage 2."""
        coding = self.coding(2)
        assert isinstance(coding, ConnectionCoding)
        return coding

    def architecture(self) -> ArchitectureCoding:
        """Return the result of stage 3."""
        coding = self.coding(3)
        assert isinstance(coding, ArchitectureCoding)
        return coding

    @property
    def winner_path(self) -> Path:
        """The architecture that won the tournament of the retraining, where one was held."""
        return self.stage_folder("retrain") / "architecture.json"

    @property
    def outcome_path(self) -> Path:
        """Rounds, scores and winner of that tournament."""
        return self.stage_folder("retrain") / "tournament.json"

    def trained_architecture(self) -> ArchitectureCoding:
        """Return what the retraining trains: the winner of its tournament, or what was found."""
        if self.winner_path.is_file():
            return ArchitectureCoding.read(self.winner_path)
        return self.architecture()

    def candidates(self) -> list[ArchitectureCoding]:
        """Return the candidates of stage 3 that were scored, best first; none if there are none."""
        path = self.coding_path("candidates")
        if not path.is_file():
            return []
        content = read_json(path)
        if not isinstance(content, list):
            raise DataError(f"{path}: is not a list of candidates.")
        read = [ArchitectureCoding.from_document(item, str(path)) for item in content]
        own = self.coding(3).derived_from
        return [coding for coding in read if coding.derived_from == own]

    def next_command(self) -> str:
        """Return the next command of the run."""
        run = shlex.quote(str(self.root))
        evaluated = (self.evaluation_folder / "test.json").is_file()
        if (self.root / "plan.json").is_file() and not (self.model_path.is_file() and evaluated):
            return f"dnas run {run}"
        coded = [stage for stage in CODINGS if self.coding_path(CODINGS[stage]).is_file()]
        for stage in CODINGS:
            record = self.record(f"stage{stage}")
            if record is None and stage <= max(coded, default=0):
                continue  # an adopted architecture
            if record is None or not record.finished:
                return f"dnas search {run} --stage {stage}"
            if record.phase != "decoded" or stage not in coded:
                return f"dnas decode {run} --stage {stage}"
        record = self.record("retrain")
        if record is None or not record.finished or not self.model_path.is_file():
            return f"dnas retrain {run}"
        if "test" in self.outdated_evaluations():
            return f"dnas eval {run} --overwrite"
        if not (self.evaluation_folder / "test.json").is_file():
            return f"dnas eval {run}"
        return f"dnas predict {shlex.quote(str(self.model_path))} SCENE --out mask.png"

    def evaluations(self) -> list[Path]:
        """Return the files of figures, without any that a command is writing."""
        return sorted(self.evaluation_folder.glob("[!.]*.json"))

    def outdated_evaluations(self) -> list[str]:
        """Return which files of figures, by name without suffix, are of an earlier model."""
        if not self.model_path.is_file():
            return []
        model, found = file_hash(self.model_path), []
        for path in self.evaluations():
            try:
                subject = read_json(path)["subject"]["model_hash"]
            except (DataError, LookupError, TypeError):
                continue  # `dnas eval` reports what is wrong with it
            if subject != model:
                found.append(path.stem)
        return found

    def has_after(self, stage: str) -> bool:
        """Return whether a later stage was built on the coding of this one."""
        later = STAGES[STAGES.index(stage) + 1 :]
        return any(self.coding_path(name).is_file() or self.record(name) for name in later)

    def _check_layers(self, path: Path, layers: int, remedy: str) -> None:
        own = self.manifest.layers
        if layers != own:
            raise DataError(f"{path}: is for {layers} layers, and the run has {own}.", remedy)

    def _again(self, command: str, stage: int) -> str:
        root = shlex.quote(str(self.root))
        return f"Run: dnas {command} {root} --stage {stage} --overwrite, or branch."

    def _coding_name(self, stage: int) -> str:
        return f"{CODINGS[stage]}.json" if stage else "nothing"

    @contextmanager
    def _updating(self) -> Iterator[None]:
        """Read the manifest again and change it; another process may run another stage."""
        with locked(self.root, wait=True):  # readers need not wait
            remove_leftovers(self.root, "run.json")
            self.manifest = _read_manifest(self.root)
            yield
            write_json(self.root / "run.json", self.manifest.to_json())


def create_run(
    root: Path,
    tile_set: Path,
    fingerprint: str,
    layers: int,
    width: int,
    lineage: Lineage | None = None,
    settings: RunSettings | None = None,
) -> Run:
    """Create a run directory.

    Raises:
        RunStateError: `root` exists.
    """
    _refuse_foreign(root)
    make_folder(root)
    manifest = Manifest(
        __version__,
        now(),
        TileSetLink(link_path(root, tile_set), fingerprint, str(tile_set.resolve())),
        layers,
        width,
        lineage,
        settings=settings or RunSettings(),
    )
    write_json(root / "run.json", manifest.to_json())
    return Run(root, manifest)


def _refuse_foreign(root: Path) -> None:
    if root.is_dir():
        remove_leftovers(root, "run.json")  # of a command that was killed too early
    if (root.is_symlink() or root.exists()) and (not root.is_dir() or any(root.iterdir())):
        raise RunStateError(f"{root}: exists already.", "Name another run directory.")


def open_run(root: Path) -> Run:
    """Open a run directory.

    Raises:
        DataError: There is none at `root`, or it cannot be read.
    """
    return Run(root, _read_manifest(root))


def is_run(path: Path) -> bool:
    """Return whether a path is a run directory."""
    return (path / "run.json").is_file()


def link_path(root: Path, target: Path) -> str:
    """Return how a run names a folder: relative to itself, so that both can move together."""
    return Path(os.path.relpath(target.resolve(), root.resolve())).as_posix()


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def check_stage(stage: int) -> None:
    """Refuse stages that do not exist.

    Raises:
        UsageError: The stage is not 1, 2 or 3.
    """
    if stage not in CODINGS:
        raise UsageError(f"stage={stage}: must be 1, 2 or 3.")


def _read_manifest(root: Path) -> Manifest:
    path = root / "run.json"
    if not root.exists():
        raise DataError(
            f"{root}: no such run directory.",
            "Start a run with `dnas run RUN --data TILES`.",
        )
    if not path.is_file():
        raise wrong_kind(root, RUN)
    return Manifest.from_json(read_json(path), str(path))
