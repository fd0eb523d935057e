"""A tile set, a model and a run for all tests of `dnas eval`."""

from pathlib import Path

import pytest
import torch

from dnas_cli.datasets.description import load_description
from dnas_cli.demo.scenes import write_scenes
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.nets.network import build_derived
from dnas_cli.run.directory import create_run
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Graph, edge
from dnas_cli.tiles.make_tile_set import make_tile_set
from dnas_cli.tiles.settings import TilingOptions, TilingSettings
from dnas_cli.tiles.tile_set import TileSet


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TileSet:
    """A tile set of five synthetic scenes, nine tiles each."""
    folder = tmp_path_factory.mktemp("eval")
    write_scenes(folder / "gid5", 1, range(5), 180)
    settings = TilingSettings(load_description("gid5"), size=64)
    return make_tile_set(folder / "gid5", folder / "tiles", settings, TilingOptions())


@pytest.fixture
def model(tiles: TileSet) -> Model:
    """An untrained model that fits the tile set."""
    torch.manual_seed(0)
    graph = Graph(2, (edge((-1, 0), (0, 0)), edge((0, 0), (1, 0))))
    architecture = ArchitectureCoding(graph, (("conv1x1",), ("conv3x3", "avg_pool_3x3")))
    facts = ModelFacts(
        classes=tiles.classes,
        bands=tiles.bands,
        dtype=tiles.dtype,
        nodata=tiles.nodata,
        normalisation=tiles.normalisation,
        statistics=tiles.statistics,
        tile_size=tiles.tile_size,
        width=4,
    )
    return Model(build_derived(architecture, facts.shape).eval(), architecture, facts)


@pytest.fixture
def run(tmp_path: Path, tiles: TileSet, model: Model) -> Path:
    """A run directory with a model, as `dnas retrain` leaves it."""
    root = tmp_path / "run"
    create_run(root, tiles.root, tiles.fingerprint, layers=2, width=4)
    save_model(root / "model.pt", model)
    return root
