"""Whether rasters may refer to files outside their folder: only when the user says so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_EXTERNAL = "DNAS_ALLOW_EXTERNAL"  # in the environment, which processes that are started share


@contextmanager
def external_allowed(allowed: bool) -> Iterator[None]:
    """Let VRTs refer to anything, or not, in the block and in processes that it starts."""
    before = os.environ.pop(_EXTERNAL, None)
    if allowed:
        os.environ[_EXTERNAL] = "1"
    try:
        yield
    finally:
        os.environ.pop(_EXTERNAL, None)
        if before is not None:
            os.environ[_EXTERNAL] = before


def is_external_allowed() -> bool:
    """Whether VRTs may refer to anything."""
    return _EXTERNAL in os.environ
