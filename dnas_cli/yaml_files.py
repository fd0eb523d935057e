"""YAML as plain data: small files, every key once, no anchors.

An anchor lets a few lines stand for gigabytes once something walks them, and nothing that `dnas`
reads needs one.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from dnas_cli.errors import DataError
from dnas_cli.files import read_text

LARGEST_YAML = 1 << 18  # bytes; a description is some dozen lines


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain data.

    Raises:
        DataError: It is missing, too large, or not YAML.
    """
    return parse_yaml(read_text(path, LARGEST_YAML), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Parse YAML as plain data.

    Args:
        text: The YAML.
        name: What errors call it.

    Raises:
        DataError: It is not YAML, or holds what is not read here.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{name}: is not valid YAML ({reason}).") from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses anchors, and a key that is given twice, of which YAML would keep the last.

    `1e-4` is a number here, as it is in YAML 1.2 and in everybody's mind.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {line}: anchors (`*name`) are not read here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = node.start_mark.line + 1
                    raise yaml.YAMLError(f"line {line}: {key.value!r} is given twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
