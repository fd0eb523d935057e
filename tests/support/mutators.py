"""Small changes of a file: of its bytes, or of one value within it."""

import io
import json
import random
import struct
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

_TOKENS = (
    b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\n", b"\t", b"../", b"/etc/passwd", b"NaN",
    b"-1", b"1e999", b"null", b"[]", b"{}", b"[[[[", b"\xc3\x28", b"\\ud800",
    b"99999999999999999999", b"\"", b": ", b"- ", b"*a", b"&a ", b"!!python/object:os.system ",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**30, float("nan"), float("inf"), "", "x" * 5000, "../..", "a\nb",
    "\x1b[31m", "ünï", [], {}, [[]], [[[[[[1]]]]]], {"a": {"b": {}}}, 1 << 31,
)  # fmt: skip
_TEXTS = (
    "", "0", "-1", "3", "255", "nan", "inf", "1e999", "-3.4e38", "99999999999999999999", "0.5", "a",
    "x" * 5000, "../..", "Palette", "Alpha", "Gray", "Undefined", "YCbCr_Cb", "0,0,0,0,0,0",
    "EPSG:4326", "\x7f", "ünï",
)  # fmt: skip


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to four small changes."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        # Headers are where parsers decide: look there more often.
        end = len(data) if rng.random() < 0.5 else min(len(data), 300)
        at = rng.randrange(end) if end else 0
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 40)] * rng.randint(1, 3)
        elif kind == 4:
            data[at:at] = rng.choice(_TOKENS)
        elif kind == 5:
            size = struct.pack(rng.choice("<>") + "I", rng.choice((0, 65536, 1 << 30, 0xFFFFFFFF)))
            data[at : at + 4] = size
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def mutate_values(content: bytes, rng: random.Random) -> bytes:
    """Return JSON, or JSON lines, with one value replaced; a sealed document is sealed again."""
    text = content.decode()
    lines = text.split("\n") if text.startswith("{") and "}\n{" in text else [text]
    at = rng.randrange(len(lines))
    if not lines[at]:
        return mutate(content, rng)
    document = json.loads(lines[at])
    _replace_one(document, rng)
    if isinstance(document, dict) and "hash" in document:
        from dnas_cli.json_files import content_hash

        body = {key: value for key, value in document.items() if key != "hash"}
        document["hash"] = content_hash(body)
    lines[at] = json.dumps(document)
    return "\n".join(lines).encode()


def mutate_tensors(content: bytes, rng: random.Random) -> bytes:
    """Return a torch file with one value replaced, whole by its checksums."""
    import torch

    values = torch.load(io.BytesIO(content), weights_only=False)
    _replace_one(values, rng)
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def mutate_elements(content: bytes, rng: random.Random) -> bytes:
    """Return XML with one element removed, repeated, moved, or with another text or attribute."""
    root = ElementTree.fromstring(content)
    parents = [element for element in root.iter() if len(element)]
    parent = rng.choice(parents)
    element = rng.choice(list(parent))
    kind = rng.random()
    if kind < 0.15:
        parent.remove(element)
    elif kind < 0.3:
        parent.extend([element] * rng.choice((1, 2, 1000)))
    elif kind < 0.4:
        rng.choice(parents).append(ElementTree.fromstring(ElementTree.tostring(element)))
    elif kind < 0.6 and element.attrib:
        element.set(rng.choice(list(element.attrib)), rng.choice(_TEXTS))
    else:
        rng.choice(list(parent.iter())).text = rng.choice(_TEXTS)
    return ElementTree.tostring(root)


def _replace_one(document: Any, rng: random.Random) -> None:
    parent = document
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(parent[key], dict | list) and rng.random() < 0.7:
            parent = parent[key]
            continue
        kind = rng.random()
        if kind < 0.15:
            del parent[key]
        elif kind < 0.3 and isinstance(parent, list):
            parent.extend(parent[key : key + 1] * rng.choice((1, 2, 1000)))
        elif kind < 0.5 and isinstance(parent[key], int | float):
            parent[key] += rng.choice((1, -1, 0.5, 1 << 40))
        elif kind < 0.6 and hasattr(parent[key], "numel"):
            parent[key] = rng.choice((parent[key].double(), parent[key].flatten()[:1], None))
        else:
            parent[key] = rng.choice(_VALUES)
        break


BY_SUFFIX: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".pt": mutate_tensors, ".tar": mutate_tensors, ".vrt": mutate_elements,
    ".xml": mutate_elements,
}  # fmt: skip
"""What changes a value of files of a suffix, where that is not `mutate_values`."""
