"""Reads and writes the blocks of an image and its label with rasterio, and does nothing else.

    python benchmarks/cut_plainly.py IMAGE LABEL OUT

This is what cutting is compared with in `tiles.py`, which runs it.
"""

import sys
from pathlib import Path

import rasterio
from rasterio.windows import Window

SIZE = 512


def cut_plainly(image: Path, label: Path, out: Path) -> None:
    """Read and write the blocks of a scene, and do nothing else."""
    out.mkdir()
    with rasterio.open(image) as scene, rasterio.open(label) as truth:
        for kind, source in (("image", scene), ("label", truth)):
            profile = source.profile | {
                "compress": "DEFLATE",
                "zlevel": 1,
                "predictor": 2,
                "interleave": "pixel",
                "tiled": True,
                "blockxsize": 256,
                "blockysize": 256,
                "height": SIZE,
                "width": SIZE,
            }
            for row in _starts(source.height):
                for column in _starts(source.width):
                    block = source.read(window=Window(column, row, SIZE, SIZE))
                    with rasterio.open(out / f"{kind}_{row}_{column}.tif", "w", **profile) as file:
                        file.write(block)


def _starts(length: int) -> list[int]:
    return [min(start, length - SIZE) for start in range(0, length, SIZE)]


if __name__ == "__main__":
    cut_plainly(*map(Path, sys.argv[1:]))
