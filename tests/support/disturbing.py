"""Ways to disturb a command; afterwards the same command finishes, and all bytes are compared."""

import errno
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support import failing_calls
from tests.support.failing_calls import Fault, PowerCut
from tests.support.killing import End, any_point
from tests.support.same_bits import differences
from tests.support.tortured import Beginning, run_in

EACH_KIND = -1  # instead of a number of calls
_LOADING = ("search 2", "retrain", "tile")  # commands with processes that load or cut tiles


@dataclass
class Disturbed:
    """What became of the cases of a command.

    Attributes:
        times: Disturbances.
        cases: Beginnings that were disturbed at least once.
        lost: Cases that the same command did not finish with the same bytes.
        hung: Cases that did not end.
        tracebacks: Cases that printed one, or met an error that no code foresees.
        messages: Cases that failed without a message, or with several.
    """

    times: int = 0
    cases: int = 0
    lost: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """What is wrong."""
        return [*self.lost, *self.hung, *self.tracebacks, *self.messages]

    def add(self, other: "Disturbed") -> None:
        """Add the cases of another."""
        self.times += other.times
        self.cases += other.cases
        self.lost += other.lost
        self.hung += other.hung
        self.tracebacks += other.tracebacks
        self.messages += other.messages

    def judge(self, end: End, what: str) -> None:
        """Note how a disturbed command ended: one message, or none if it did not matter."""
        text = f"{what}: exit {end.code}: {end.output[-1500:]}"
        lines = [line for line in end.output.splitlines() if line.startswith("dnas: ")]
        if "Traceback" in end.output or "should not happen" in end.output:
            self.tracebacks.append(text)
        elif end.code not in (0, 1, 4) or len(lines) != (end.code != 0):
            self.messages.append(text)

    def compare(self, case: Path, beginning: Beginning, what: str) -> None:
        """Let the same command finish undisturbed, and note what it lost."""
        stage = beginning.stage
        end = run_in(case, stage)
        if end.code != 0 and not _is_there(end):
            self.lost.append(f"{what}: then exit {end.code}: {end.output[-1500:]}")
            return
        wrong = differences(case / stage.makes, beginning.whole / stage.makes, stage.timed)
        beside = {path.name for path in case.iterdir()}
        wrong += sorted(beside - {path.name for path in beginning.whole.iterdir()})
        if wrong:
            self.lost.append(f"{what}: changed {', '.join(wrong)}")


def _is_there(end: End) -> bool:
    """Whether a command refused to make what one had just finished when it was killed."""
    return end.code == 3 and "exists already" in end.output


Results = dict[str, Disturbed]
_DISK = ("-t", "tmpfs", "tmpfs")
Case = Callable[[Path, Beginning, Disturbed], None]


def kill(folder: Path, beginnings: list[Beginning], count: int, rng: random.Random) -> Results:
    """Kill commands at random points, up to four times each before they may finish."""

    def case(place: Path, beginning: Beginning, result: Disturbed) -> None:
        stage, end = beginning.stage, beginning.end
        points = [any_point(end, rng) for _ in range(rng.randint(1, stage.kills))]
        for point in points:
            outcome = run_in(place, stage, point)
            if outcome.code is not None:
                if outcome.code and not _is_there(outcome):
                    result.judge(replace(outcome, code=99), f"{stage.name}, {points}")
                break
            result.times += 1
        result.compare(place, beginning, f"{stage.name}, {points}")

    return _shared(folder, beginnings, count, case)


def fail_calls(
    folder: Path, beginnings: list[Beginning], count: int, rng: random.Random
) -> Results:
    """Let one call after the other fail, as many random ones as are asked for, or each kind."""
    _need_library()
    calls = [(item, number + 1) for item in beginnings for number in range(item.end.calls)]
    if count == EACH_KIND:
        calls = [(item, number) for item in beginnings for number in _one_of_each(item, rng)]
    elif count < len(calls):
        calls = rng.sample(calls, count)
    kinds = ((errno.ENOSPC, False), (errno.EIO, False), (errno.ENOSPC, True))
    results = {item.stage.name: Disturbed() for item in beginnings}
    for beginning, number in calls:
        stage, result = beginning.stage, results[beginning.stage.name]
        reason, lasting = kinds[number % 3]
        place = _copy(folder, beginning)
        fault = Fault(place, number, reason, lasting)
        what = f"{stage.name}, {fault}"
        result.cases += 1
        result.times += 1
        try:
            result.judge(run_in(place, stage, fault=fault), what)
            result.compare(place, beginning, what)
        except TimeoutError:
            result.hung.append(what)
    return results


def _one_of_each(beginning: Beginning, rng: random.Random) -> list[int]:
    """Choose among equal calls, those of one function on one file, the last and another one."""
    equal: dict[str, list[int]] = {}
    for number, kind in enumerate(beginning.calls, 1):
        equal.setdefault(kind, []).append(number)
    chosen = [
        numbers[-1:] + rng.sample(numbers[:-1], len(numbers) > 1) for numbers in equal.values()
    ]
    return sorted(number for numbers in chosen for number in numbers)


def cut_power(folder: Path, beginnings: list[Beginning], count: int, rng: random.Random) -> Results:
    """Cut the power at a random call, or after the end, and lose what was not flushed."""
    _need_library()

    def case(place: Path, beginning: Beginning, result: Disturbed) -> None:
        stage = beginning.stage
        power = PowerCut(place, folder / "store")
        call = rng.randint(1, beginning.end.calls + 3)
        fault = Fault(place, cut=call, store=power.store)
        end = run_in(place, stage, fault=fault)
        lost = power.happen(rng)
        what = f"{stage.name}, {fault} of {beginning.end.calls} loses {lost}"
        result.times += 1
        if end.code == 0:  # what it said to have done is there
            wrong = differences(place / stage.makes, beginning.whole / stage.makes, stage.timed)
            result.lost += [f"{what}: finished, then changed {', '.join(wrong)}"] if wrong else []
        elif end.code is not None:
            result.judge(end, what)
        result.compare(place, beginning, what)

    return _shared(folder, beginnings, count, case)


def fill_disk(folder: Path, beginnings: list[Beginning], count: int, rng: random.Random) -> Results:
    """Let a command work on a file system that has some pages left, and then on a larger one."""
    page = os.sysconf("SC_PAGE_SIZE")

    def mount(place: Path, size: object, *options: str) -> bool:
        command = ("mount", *options, "-o", f"{'remount,' * (not options)}size={size}")
        done = subprocess.run([*command, str(place)], capture_output=True, check=False)
        return done.returncode == 0

    def case(place: Path, beginning: Beginning, result: Disturbed) -> None:
        stage = beginning.stage
        shutil.rmtree(place)
        place.mkdir()  # where cases always are, as some results name their inputs
        mount(place, "1g", *_DISK)
        try:
            shutil.copytree(beginning.start, place, dirs_exist_ok=True)
            facts = os.statvfs(place)
            used = facts.f_blocks - facts.f_bfree
            needs = _pages(beginning.whole, page) - _pages(beginning.start, page) + 8
            left = rng.randint(0, needs)
            mount(place, (used + left) * page)
            what = f"{stage.name}, {left} pages of {needs} left"
            result.times += 1
            end = run_in(place, stage, notes=folder)
            mount(place, "1g")
            result.judge(end, what)
            result.compare(place, beginning, what)
        finally:
            subprocess.run(["umount", str(place)], check=True)

    if not mount(folder, "1m", *_DISK):
        print("\nfull disks: this user may not mount file systems")
        return {}
    subprocess.run(["umount", str(folder)], check=True)
    return _shared(folder, beginnings, count, case)


def disturb_workers(
    folder: Path, beginnings: list[Beginning], count: int, rng: random.Random
) -> Results:
    """Kill a process that loads or cuts tiles, take a file away from it, or damage one."""

    def case(place: Path, beginning: Beginning, result: Disturbed) -> None:
        stage, kind = beginning.stage, rng.choice(("killed", "missing", "damaged"))
        given = [item for item in stage.arguments if item not in ("--workers", 1)]
        strict = ("--strict",) if stage.name == "tile" else ()  # else it leaves out what is damaged
        stage = replace(stage, arguments=(*given, *strict, "--workers", 2))
        moment = rng.uniform(0.0, 1.2 * beginning.end.seconds)
        image = rng.choice(sorted((place / _source(stage.name)).rglob("*.tif")))
        what = f"{stage.name}, {kind} after {moment:.2f} s"
        content = image.read_bytes()

        def disturb(process: int) -> None:
            if kind == "killed":
                children = _children(process)
                if children:
                    os.kill(rng.choice(children), signal.SIGKILL)
            elif kind == "missing":
                image.unlink()
            else:
                image.write_bytes(content[: len(content) // 2])

        facts = image.stat()
        result.times += 1
        end = run_in(place, stage, meanwhile=(moment, disturb))
        image.write_bytes(content)
        os.utime(image, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        result.judge(end, what)
        result.compare(place, beginning, what)

    able = [item for item in beginnings if item.stage.name in _LOADING]
    return _shared(folder, able, count, case)


def _source(command: str) -> str:
    return "scenes" if command == "tile" else "tiles"


def _children(process: int) -> list[int]:
    """Return the processes that load or cut; another one only cleans up after them."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    commands = {int(item): Path(f"/proc/{item}/cmdline").read_bytes() for item in text.split()}
    return [item for item, command in commands.items() if b"resource_tracker" not in command]


def _shared(folder: Path, beginnings: Sequence[Beginning], count: int, case: Case) -> Results:
    """Disturb one command after the other until they were disturbed often enough in all."""
    results = {item.stage.name: Disturbed() for item in beginnings}
    while beginnings:
        for beginning in beginnings:
            if sum(max(item.times, item.cases) for item in results.values()) >= count:
                return results
            result = results[beginning.stage.name]
            result.cases += 1
            try:
                case(_copy(folder, beginning), beginning, result)
            except TimeoutError as error:
                result.hung.append(f"{beginning.stage.name}: {error}")
    return results


def _copy(folder: Path, beginning: Beginning) -> Path:
    case = folder / "case"
    shutil.rmtree(case, ignore_errors=True)
    return Path(shutil.copytree(beginning.start, case))


def _pages(folder: Path, page: int) -> int:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(-(-path.stat().st_size // page) + 1 for path in files)


def _need_library() -> None:
    if not failing_calls.is_loaded():
        raise SystemExit("failing calls need Linux and a C compiler")
