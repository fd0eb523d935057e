"""Opens maps in QGIS, off screen, and checks that it takes their styles by itself.

    QT_QPA_PLATFORM=offscreen python3 benchmarks/qgis_styles.py map.tif map.gpkg ...

Needs QGIS's own Python (`python3-qgis` of Debian), no `dnas`. Prints the classes and colours that
QGIS shows of every file and fails where it shows none.
"""

import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Open every file and print its legend."""
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    application.initQgis()
    for name in sys.argv[1:]:
        legend = _legend(Path(name).resolve())
        print(f"{name}: {', '.join(f'{label} {colour}' for label, colour in legend)}")
        if not legend:
            sys.exit(f"{name}: QGIS shows no classes")
    application.exitQgis()


def _legend(path: Path) -> list[tuple[str, str]]:
    from qgis.core import QgsRasterLayer, QgsVectorLayer

    if path.suffix in (".tif", ".png"):
        raster: Any = QgsRasterLayer(str(path), path.stem)
        entries = raster.renderer().classes() if raster.renderer().type() == "paletted" else []
        return [(entry.label, entry.color.name()) for entry in entries]
    vector: Any = QgsVectorLayer(f"{path}|layername={path.stem}", path.stem)
    renderer = vector.renderer()
    if renderer.type() != "categorizedSymbol":
        return []
    return [(item.label(), item.symbol().color().name()) for item in renderer.categories()]


if __name__ == "__main__":
    main()
