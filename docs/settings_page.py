"""The page of all settings, made of the fields that define them."""

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, get_args

from dnas_cli.run.settings import RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.typed_fields import option_of, spelled, types_of

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_INTRO = """# Settings

Each setting is an option of the command line (`--crop 256`) and a key of a settings file
(`crop: 256`, given by `--settings FILE.yaml`). Options override the file, and the file overrides
the preset. A stage keeps the settings that it started with; `run.json` holds them.
"""


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "settings.md", content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    both = ("search", SearchSettings), ("retrain", RetrainSettings)
    return _INTRO + "".join(f"\n## dnas {name}\n\n{_table(kind)}" for name, kind in both)


def _table(kind: type[TrainingSettings]) -> str:
    return (
        "\n".join(
            ["| setting | value | default | quick | |", "|---|---|---|---|---|", *_rows(kind)]
        )
        + "\n"
    )


def _rows(kind: type[TrainingSettings]) -> Iterator[str]:
    for item in fields(kind):
        about, kept = option_of(item), types_of(kind)[item.name]
        value = ", ".join(f"`{choice}`" for choice in get_args(kept)) or kept.__name__
        quick = "" if about.quick is None else about.quick
        yield f"| `{spelled(item.name)}` | {value} | {item.default} | {quick} | {about.help} |\n"
