"""Running commands in several processes at once, also one command as torchrun does."""

import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.killing import NEVER, End, Point, be_the_command

_TOO_LONG = 600.0  # seconds; a busy machine takes minutes


class Together:
    """Commands in processes of their own, forked from this one.

    Args:
        folder: Gets their outputs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.processes: list[int] = []

    def add(
        self,
        arguments: Sequence[object],
        environment: Mapping[str, object] | None = None,
        point: Point = NEVER,
        at: float = 0.0,
    ) -> None:
        """Start a command.

        Args:
            arguments: Of the command.
            environment: Variables to set.
            point: When to kill it.
            at: The moment to begin, in seconds since the epoch.
        """
        number, process = len(self.processes), os.fork()
        if process == 0:
            os.environ.update({key: str(value) for key, value in (environment or {}).items()})
            time.sleep(max(0.0, at - time.time()))
            log, changes = self.folder / f"output-{number}", self.folder / f"changes-{number}"
            be_the_command([str(item) for item in arguments], log, changes, point)
        self.processes.append(process)

    def ends(self) -> list[End]:
        """Wait for all of them; their exit codes, None for a killed one.

        Raises:
            TimeoutError: One hangs.
        """
        started, statuses = time.monotonic(), dict[int, int]()
        while len(statuses) < len(self.processes):
            for process in set(self.processes) - set(statuses):
                done, status = os.waitpid(process, os.WNOHANG)
                if done:
                    statuses[process] = status
            if time.monotonic() - started > _TOO_LONG:
                self.kill()
                raise TimeoutError(f"a process hangs:\n{self.outputs()}")
            time.sleep(0.005)
        codes = [
            None if os.WIFSIGNALED(statuses[item]) else os.WEXITSTATUS(statuses[item])
            for item in self.processes
        ]
        passed = time.monotonic() - started
        return [End(code, 0, passed, self._output(k)) for k, code in enumerate(codes)]

    def running(self) -> bool:
        """Whether the first one still runs."""
        return os.waitid(os.P_PID, self.processes[0], os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        """Kill all of them."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def outputs(self) -> str:
        """Return what they printed so far."""
        return "\n".join(self._output(number) for number in range(len(self.processes)))

    def _output(self, number: int) -> str:
        log = self.folder / f"output-{number}"
        return log.read_text(errors="replace") if log.exists() else ""


class Several(Together):
    """The processes of one command that share its work.

    Args:
        count: How many; the first has number 0.
        arguments: Of the command.
        folder: Gets their outputs.
        points: When to kill which of them.
    """

    def __init__(
        self,
        count: int,
        arguments: tuple[object, ...],
        folder: Path,
        points: Mapping[int, Point] | None = None,
    ) -> None:
        super().__init__(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shared = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        for number in range(count):
            names = {**shared, "RANK": number, "LOCAL_RANK": number}
            self.add(arguments, names, (points or {}).get(number, NEVER))


def several(count: int, folder: Path, *arguments: object) -> list[End]:
    """Run a command in so many processes to its end; all must succeed."""
    ends = Several(count, arguments, folder).ends()
    assert [end.code for end in ends] == [0] * count, "\n".join(end.output for end in ends)
    return ends
