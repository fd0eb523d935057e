"""A run for all tests of input that is broken or means harm.

Such input is refused in one message, without running, hanging or growing. Byte-level mutations of
whole files are in `test_torture.py`, and by the thousand in `make torture`.
"""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def run(decoded: Path, tmp_path: Path) -> Path:
    """A copy of a run whose first stage is decoded."""
    return Path(shutil.copytree(decoded, tmp_path / "run"))


@pytest.fixture
def requests() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the requests that it gets."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()
        thread.join()
