"""Running one command in several processes at once, as torchrun does."""

import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.killing import NEVER, End, Point, be_the_command

_TOO_LONG = 600.0  # seconds; a busy machine takes minutes


class Several:
    """The processes of one command, forked from this one.

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
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shared = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        self.processes = []
        for number in range(count):
            process = os.fork()
            if process == 0:
                names = {**shared, "RANK": number, "LOCAL_RANK": number}
                os.environ.update({key: str(value) for key, value in names.items()})
                point = (points or {}).get(number, NEVER)
                log = folder / f"output-{number}"
                words = [str(item) for item in arguments]
                be_the_command(words, log, folder / f"changes-{number}", point)
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


def several(count: int, folder: Path, *arguments: object) -> list[End]:
    """Run a command in so many processes to its end; all must succeed."""
    ends = Several(count, arguments, folder).ends()
    assert [end.code for end in ends] == [0] * count, "\n".join(end.output for end in ends)
    return ends
