"""Commands as processes of their own that need not load their libraries, which takes seconds.

They are forked from a server that has loaded them. Signals, streams, exit codes and locks are those
of any process; only its beginning is quicker.
"""

import contextlib
import gc
import importlib
import json
import multiprocessing.util
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

_LOADED = (
    "torch._dynamo", "matplotlib.figure", "matplotlib.backends.backend_agg", "scipy.ndimage",
    "rasterio.warp", "cv2", "typer._adapters", "dnas_cli.app", "dnas_cli.stages.search",
    "dnas_cli.stages.retrain", "dnas_cli.stages.evaluate", "dnas_cli.stages.budgeted_stage",
    "dnas_cli.mapping.scene_maps", "dnas_cli.report.after_epoch", "dnas_cli.report.run_status",
    "dnas_cli.tiles.make_tile_set",
)  # fmt: skip

_Request = tuple[list[str], str, dict[str, str], bool, str]


class Forked:
    """A command that runs; it has what tests use of `subprocess.Popen`.

    Args:
        arguments: Of the command.
        own_session: Whether it leads a session of its own.
        before: Python that its process runs first.
    """

    def __init__(self, arguments: list[str], own_session: bool = False, before: str = "") -> None:
        out, out_end = os.pipe()
        errors, errors_end = os.pipe()
        self._ends, ends_end = os.pipe()
        self._output = {out: b"", errors: b""}
        folder, environment = str(Path.cwd()), dict(os.environ)
        request = json.dumps([arguments, folder, environment, own_session, before]).encode()
        given = (out_end, errors_end, ends_end)
        link, _ = _server()
        socket.send_fds(link, [len(request).to_bytes(4, "big")], given)
        link.sendall(request)
        for end in given:
            os.close(end)
        self.pid = self._reported()
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with contextlib.suppress(TimeoutError):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return its exit code: negative for a signal."""
        if self.returncode is None:
            with selectors.DefaultSelector() as ready:
                ready.register(self._ends, selectors.EVENT_READ)
                if not ready.select(timeout):
                    raise TimeoutError(f"process {self.pid} still runs")
            self.returncode = self._reported()
            os.close(self._ends)
        return self.returncode

    def _reported(self) -> int:
        """Read a number that the server writes."""
        text = b""
        while not text.endswith(b"\n"):
            text += os.read(self._ends, 1) or b"\n"
        return int(text)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait until it ends, and return what it printed."""
        until = None if timeout is None else time.monotonic() + timeout
        with selectors.DefaultSelector() as ready:
            for stream in self._output:
                ready.register(stream, selectors.EVENT_READ)
            while ready.get_map():
                left = None if until is None else until - time.monotonic()
                found = ready.select(left)
                if not found:
                    raise TimeoutError(f"process {self.pid} still runs")
                for key, _ in found:
                    stream = key.fd
                    if part := os.read(stream, 2**16):
                        self._output[stream] += part
                    else:
                        ready.unregister(stream)
                        os.close(stream)
        self.wait(timeout)
        out, errors = (os.fsdecode(text) for text in self._output.values())
        return out, errors


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the server of this test process; it ends with it."""
    ours, theirs = socket.socketpair()
    handle = theirs.fileno()
    # Its streams are pipes, as those of commands are: those of a file would want to seek.
    pipe, command = subprocess.PIPE, [sys.executable, __file__, str(handle)]
    process = subprocess.Popen(command, pass_fds=[handle], stdout=pipe, stderr=pipe)
    theirs.close()
    return ours, process


def _serve(link: socket.socket) -> None:
    """Fork a command for each request, and a process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and so the link
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those that wait end
    for name in _LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a forked process would copy every page that its collector visits
    while True:
        head, handles, _, _ = socket.recv_fds(link, 4, 3)
        if not head:
            return
        size, request = int.from_bytes(head, "big"), b""
        while len(request) < size:
            request += link.recv(size - len(request))
        if os.fork() == 0:
            link.close()
            _run_and_wait(json.loads(request), handles)
        for handle in handles:
            os.close(handle)


def _run_and_wait(request: _Request, handles: list[int]) -> None:
    """Run a command in a child, and report its process and how it ended."""
    out, errors, report = handles
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(report)
        _run(request, out, errors)
    os.close(out)
    os.close(errors)
    os.write(report, f"{child}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(report, f"{code}\n".encode())
    os._exit(0)


def _run(request: _Request, out: int, errors: int) -> None:
    arguments, folder, environment, own_session, before = request
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if own_session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for handle, stream in ((out, 1), (errors, 2)):
        os.dup2(handle, stream)
        os.close(handle)
    sys.argv = ["dnas", *arguments]
    code = 1
    try:
        exec(before, {})
        importlib.import_module("dnas_cli.app").app(prog_name="dnas")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        # Which waits for processes that it started.
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
