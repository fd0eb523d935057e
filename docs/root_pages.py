"""Pages of the site that live at the repository's root, where its readers look for them."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changes"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's documents, with their links as seen from `docs/`."""
    for name, page in PAGES.items():
        text = (ROOT / f"{name}.md").read_text().replace("](docs/", "](")
        for other, its_page in PAGES.items():
            text = text.replace(f"]({other}.md", f"]({its_page}.md")
        files.append(File.generated(config, f"{page}.md", content=text))
    return files
