"""Run many commands at once: `python crowd.py` reads their arguments as JSON and prints their ends.

The processes are forked from one that has torch loaded, so that a crowd begins at the same moment.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ending:
    """How a command of a crowd ended."""

    code: int
    output: str


def crowd(commands: Sequence[Sequence[object]]) -> list[Ending]:
    """Run commands at once, each in a process of its own, and return how they ended."""
    text = json.dumps([[str(item) for item in command] for command in commands])
    result = subprocess.run(
        [sys.executable, __file__], input=text, capture_output=True, text=True, check=True
    )
    return [Ending(code, output) for code, output in json.loads(result.stdout)]


def _main() -> None:
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    import torch  # noqa: F401  loaded once for all

    from dnas_cli.app import app

    with tempfile.TemporaryDirectory() as folder:
        commands = json.load(sys.stdin)
        logs = [Path(folder) / str(number) for number in range(len(commands))]
        processes = []
        for arguments, log in zip(commands, logs, strict=True):
            process = os.fork()
            if process == 0:
                handle = os.open(log, os.O_WRONLY | os.O_CREAT)
                os.dup2(handle, 1)
                os.dup2(handle, 2)
                code = 99
                try:
                    app(arguments)
                except SystemExit as error:
                    code = error.code if isinstance(error.code, int) else 0
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code)
            processes.append(process)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
        outputs = [os.fsdecode(log.read_bytes()) for log in logs]
        json.dump(list(zip(codes, outputs, strict=True)), sys.stdout)


if __name__ == "__main__":
    _main()
