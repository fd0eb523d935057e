"""Importing a search of the first release into a run, so that it can be decoded here.

The checkpoint holds all that decoding needs: the logits, and the searched space in the names of its
cells. The weights of a supernet are of no use after its search; they are checked, not kept.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from dnas_cli.console import logger
from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.files import file_hash, write_text
from dnas_cli.nets.network import NetworkShape, build_supernet
from dnas_cli.release1.checkpoint import load_release1
from dnas_cli.release1.tensor_names import LOGITS, checkpoint_graph, renamed_state, shape_of
from dnas_cli.run.directory import CODINGS, Run, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.run.manifest import StageRecord
from dnas_cli.run.run_log import logged
from dnas_cli.space.coding import (
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.lattice import STEM, Graph, prune
from dnas_cli.space.logits import logit_keys
from dnas_cli.space.spaces import check_path, core_edges, path_space
from dnas_cli.stages.begin_run import begin_run, existing_run, linked_tile_set, new_tile_set
from dnas_cli.stages.restart import check_restart, complete_restart, start_over
from dnas_cli.tiles.tile_set import TileSet


@dataclass(frozen=True)
class Release1Search:
    """A search of the first release, from its checkpoint.

    Attributes:
        coding: The previous coding: the path (stage 2) or the connections (stage 3).
        space: The searched space.
        shape: Width, bands and classes.
        logits: By the space's keys.
        epoch: Epochs done.
    """

    coding: Coding | None
    space: SearchSpace
    shape: NetworkShape
    logits: dict[str, float]
    epoch: int


def import_search(
    checkpoint: Path,
    root: Path,
    stage: int | None = None,
    tiles: Path | None = None,
    overwrite: bool = False,
) -> tuple[Run, int]:
    """Write a search of the first release into a run, as if `dnas` had searched it.

    Returns:
        The run, and the stage of the search.

    Raises:
        DataError: The checkpoint cannot be used, or does not fit the run or its tile set.
        RunStateError: The stage is searched already, or later ones build on it.
        UsageError: A new run has no tile set, or the stage is another.
    """
    search = read_search(checkpoint)
    found = search.space.stage
    if stage is not None and stage != found:
        raise UsageError(f"stage={stage}: {checkpoint} holds a search of stage {found}.")
    run = _run(root, tiles, search, checkpoint)
    name = f"stage{found}"
    with stage_lock(run, name), logged(run):
        run = open_run(run.root)
        complete_restart(run, name)
        record = run.record(name)
        searched = record is not None and record.phase != "encoded"
        if searched and not overwrite:
            raise RunStateError(
                f"{root}: stage {found} is searched already.",
                "Import into another run, or give overwrite=True to replace the search.",
            )
        coding, space = _fitting(run, search, checkpoint)
        if searched:
            check_restart(run, name)
            start_over(run, name)
        if coding is not None:
            coding.write(run.coding_path(CODINGS[found - 1]))
        space.write(run.coding_path(name))
        epochs = max(search.epoch, 1)
        row = {
            "epoch": epochs - 1,
            "logits": search.logits,
            "imported": {"file": checkpoint.name, "hash": file_hash(checkpoint)},
        }
        write_text(run.stage_folder(name) / "logits.jsonl", json.dumps(row) + "\n")
        run.set_record(name, StageRecord("finished", {}, epochs))
        logger.info(
            "%s: holds the search of stage %d from %s, %d logits of epoch %d.",
            root,
            found,
            checkpoint,
            len(search.logits),
            epochs,
        )
    return run, found


def read_search(checkpoint: Path) -> Release1Search:
    """Read space and logits of a supernet of the first release, and check every tensor of it.

    Raises:
        DataError: It is not a supernet of the method.
    """
    trained, name = load_release1(checkpoint), str(checkpoint)
    state = trained.state
    kinds = [key for key in LOGITS if key in state]
    if len(kinds) != 1 or state[kinds[0]].ndim != 3:
        raise DataError(
            f"{checkpoint}: holds no architecture logits (betas or alphas); it is not a search.",
            "Import a derived network with its two .npy files, without a run.",
        )
    shape = shape_of(state, name)
    graph = checkpoint_graph(state, int(state[kinds[0]].shape[0]), name)
    coding, space = _space(graph, kinds[0], name)
    built = SearchSpace(space.stage, graph, space.path)  # with exactly the cells of the file
    with torch.device("meta"):
        network = build_supernet(built, shape)
    placed, _ = renamed_state(network, state, name)
    known = dict(zip(logit_keys(built), placed["weighting.logits"].flatten().tolist(), strict=True))
    # A logit that the first release lacks was never trained; decoding does not keep its edge.
    logits = {key: known.get(key, 0.0) for key in logit_keys(space)}
    return Release1Search(coding, space, shape, logits, trained.epoch)


def _space(graph: Graph, kind: str, name: str) -> tuple[Coding | None, SearchSpace]:
    """Derive the stage and its space from the cells of a supernet."""
    if kind == "alphas":
        living = prune(graph)
        if not living.outputs:
            raise DataError(f"{name}: the stem reaches no node of the last layer.")
        connections = ConnectionCoding(living)
        return connections, third_space(connections)
    if graph == path_space(graph.layers):
        return None, first_space(graph.layers)
    path = tuple(
        max((node.scale for node in graph.nodes if node.layer == layer), default=-1)
        for layer in range(graph.layers)
    )
    try:
        check_path(path)
    except ValueError as error:
        raise DataError(
            f"{name}: is not a search of this method; its cells follow no path ({error})."
        ) from error
    coding = PathCoding(path)
    space = second_space(coding)
    _check_gaps(graph, space, name)
    return coding, space


def _check_gaps(graph: Graph, space: SearchSpace, name: str) -> None:
    """Allow the one known gap of the first release, and no other.

    It omits all edges into scale 1 of a layer that follows a core node at scale 3.
    """
    there, wanted = set(graph.edges), set(space.graph.edges)
    gap = {
        item
        for item in wanted - there
        if item.target.scale == 1
        and item not in core_edges(space.path)
        and item.source != STEM
        and space.path[item.target.layer - 1] == 3
    }
    if there - wanted or wanted - there != gap:
        some = sorted((there ^ wanted) - gap)
        raise DataError(
            f"{name}: is not a search of this method; below the path {list(space.path)} it has or "
            f"lacks the cells {', '.join(item.key for item in some[:5])}."
        )
    if gap:
        logger.warning(
            "%s: the first release omitted %s; decoding will not keep them.",
            name,
            ", ".join(item.key for item in sorted(gap)),
        )


def _run(root: Path, tiles: Path | None, search: Release1Search, checkpoint: Path) -> Run:
    """Return the run, created if needed, and checked against the checkpoint."""
    layers, shape = search.space.graph.layers, search.shape
    run = existing_run(root, tiles)
    if run is None:
        opened = new_tile_set(root, tiles)
        _check_tiles(opened, shape, checkpoint)
        return begin_run(root, opened, layers, shape.width)
    _check_tiles(linked_tile_set(run), shape, checkpoint)
    present = (run.manifest.layers, run.manifest.width)
    if present != (layers, shape.width):
        raise DataError(
            f"{checkpoint}: has {layers} layers and width {shape.width}, but {root} has "
            f"{present[0]} and {present[1]}.",
            "Import it into a new run.",
        )
    return run


def _check_tiles(tiles: TileSet, shape: NetworkShape, checkpoint: Path) -> None:
    for what, present, wanted in (
        ("bands", len(tiles.bands), shape.bands),
        ("classes", len(tiles.classes), shape.classes),
    ):
        if present != wanted:
            raise DataError(
                f"{tiles.root}: has {present} {what}, but {checkpoint} was searched with {wanted}.",
                "Give the tile set of the search.",
            )


def _fitting(
    run: Run, search: Release1Search, checkpoint: Path
) -> tuple[Coding | None, SearchSpace]:
    """Return the space for this run, and the previous coding if it is missing."""
    stage, space, missing = search.space.stage, search.space, None
    if search.coding is not None:
        before = stage - 1
        path = run.coding_path(CODINGS[before])
        if path.is_file():
            present = run.coding(before)
            if present.body() != search.coding.body():
                raise DataError(
                    f"{checkpoint}: was searched below another coding than {path}.",
                    "Import it into a run of its own. (The first release decodes other paths; see "
                    "docs/fidelity.md.)",
                )
            space = SearchSpace(stage, space.graph, space.path, derived_from=present.hash)
        elif run.coding_path(f"stage{before}").is_file():
            raise RunStateError(
                f"{run.root}: stage {before} is not decoded yet.",
                f"Run: {run.next_command()}",
            )
        else:
            missing = search.coding
    path = run.coding_path(f"stage{stage}")
    if path.is_file() and SearchSpace.read(path).hash != space.hash:
        raise RunStateError(
            f"{path}: is another space than {checkpoint} searched.", "Import it into a new run."
        )
    return missing, space
