"""Anything at all in the place of a document, and how often to try."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

quickly = settings(FUZZ, max_examples=60)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../..", "a\nb", "\x1b[2J", "stage1", "conv1x1", "sha256:0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """Return a copy of a document with one value replaced, removed or repeated."""
    copy = json.loads(json.dumps(document))
    parent = copy
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return copy
        key = draw(st.sampled_from(keys))
        if isinstance(parent[key], dict | list) and parent[key] and draw(st.booleans()):
            parent = parent[key]
            continue
        how = draw(st.sampled_from(["replace", "replace", "remove", "repeat"]))
        if how == "remove":
            del parent[key]
        elif how == "repeat" and isinstance(parent, list):
            parent.append(parent[key])
        else:
            parent[key] = draw(plain)
        return copy
