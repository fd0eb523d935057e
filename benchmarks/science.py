"""Does the search pay, and which recipe trains best? Each scene is the test scene once.

    python benchmarks/science.py DUBAI OUT recipes --folds 1 4 --seeds 0
    python benchmarks/science.py DUBAI OUT search --random 8

DUBAI is the folder of `examples/dubai.yaml`. Scenes are reduced first (`--shrink`), so that a
training takes a minute. CPU seconds are recorded, which a busy machine hardly changes. Every line
of OUT/results.jsonl is one training; the same command resumes, and prints the tables.
"""

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import yaml
from PIL import Image

import dnas_cli as dnas
from dnas_cli.evaluation.baseline_figures import FOUND, RANDOM
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages.baseline import baseline
from dnas_cli.stages.baseline_options import BaselineOptions

EXAMPLE = Path(__file__).parents[1] / "examples/dubai.yaml"
LAYERS, DRAW = 5, 3  # of the architecture that recipes are compared with

SMALL: dict[str, Any] = {"preset": "quick", "batch": 8, "workers": 0}
DICE: dict[str, Any] = {"loss": "cross-entropy+dice", "rate_warm_up": 0.05}
RECIPES: dict[str, dict[str, Any]] = {
    "today": {},
    "head 64, twice the epochs": {"head": 64, "twice": True},
    "the same with Dice and warm-up": {"head": 64, "twice": True, **DICE},
    "the same, strong augmentation": {"head": 64, "twice": True, **DICE, "augment": "strong"},
    "the same, light 2": {"head": 64, "twice": True, **DICE, "light": 2.0},
    "the same, rare tiles": {"head": 64, "twice": True, **DICE, "rare_share": 0.5},
    "the same, classes mixed": {"head": 64, "twice": True, **DICE, "mix_classes": 0.5},
    "the same, cut-out": {"head": 64, "twice": True, **DICE, "cut_out": 0.5},
    "the same, averaged weights": {"head": 64, "twice": True, **DICE, "keep": "average"},
}
"""Settings over `SMALL`; a head of 64 channels takes less than half the time per step."""

SEARCH: dict[str, Any] = {"head": 64, "logit_steps": 2, "logit_temperature": 0.05, **DICE}


def main() -> None:
    """Train what is missing and print a table."""
    options = _arguments()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    scenes = reduced(options.data, options.out / f"scenes-{options.shrink}", options.shrink)
    part = recipes if options.part == "recipes" else search
    for name, fold, seed, job in part(options, scenes):
        if (name, fold, seed) not in {(r["name"], r["fold"], r["seed"]) for r in rows(options.out)}:
            started = time.process_time()
            row = {"name": name, "fold": fold, "seed": seed, **job()}
            row["cpu_seconds"] = round(time.process_time() - started, 1)
            with (options.out / "results.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
    print_table(rows(options.out))


def reduced(data: Path, out: Path, factor: int) -> Path:
    """Reduce scenes by a whole factor, labels by their nearest pixels; return their folder."""
    for path in sorted(data.glob("Tile */images/*.jpg")):
        label = path.parents[1] / "masks" / f"{path.stem}.png"
        for folder, file, shrink in (("images", path, _mean), ("masks", label, _nearest)):
            target = out / path.parts[-3] / folder / f"{path.stem}.png"
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.asarray(Image.open(file).convert("RGB"))
                Image.fromarray(shrink(pixels, factor)).save(target)
    return out


def tile_set(scenes: Path, out: Path, fold: int, size: int) -> Path:
    """Cut a tile set whose test scene is `fold`; the next scene validates, of 4 the second."""
    validation = 2 if fold == 4 else fold % 6 + 1
    description = yaml.safe_load(EXAMPLE.read_text())
    description["images"] = description["images"].replace(".jpg", ".png")
    file, place = out / "dubai.yaml", out / f"tiles-{fold}"
    file.write_text(yaml.safe_dump(description))
    if not (place / "dataset.json").is_file():
        val, test = [f"Tile {validation}"], [f"Tile {fold}"]
        dnas.tile(scenes, place, dataset=file, size=size, val_scenes=val, test_scenes=test)
    return place


Jobs = Iterator[tuple[str, int, int, Callable[[], dict[str, Any]]]]


def recipes(options: argparse.Namespace, scenes: Path) -> Jobs:
    """Yield one training per recipe, scene and seed, all of one random architecture."""
    architecture = options.out / "architecture.json"
    drawn = random_architectures(LAYERS, 0)
    [next(drawn) for _ in range(DRAW)]
    next(drawn).write(architecture)
    for seed in options.seeds:
        for fold in options.folds:
            tiles = tile_set(scenes, options.out, fold, options.size)
            for name, recipe in RECIPES.items():
                if options.only and name not in options.only:
                    continue

                def job(
                    name: str = name, recipe: dict[str, Any] = recipe, tiles: Path = tiles,
                    fold: int = fold, seed: int = seed,
                ) -> dict[str, Any]:  # fmt: skip
                    settings = {k: v for k, v in recipe.items() if k != "twice"}
                    settings["epochs"] = options.epochs * (2 if recipe.get("twice") else 1)
                    run = options.out / "runs" / f"{name}-{fold}-{seed}".replace(" ", "-")
                    dnas.retrain(
                        run, architecture=architecture, data=tiles, seed=seed, **SMALL, **settings
                    )
                    return {view: _score(run, tiles, view) for view in ("plain", "d4")}

                yield name, fold, seed, job


def search(options: argparse.Namespace, scenes: Path) -> Jobs:
    """Yield one search and its baseline per scene and seed."""
    for seed in options.seeds:
        for fold in options.folds:
            tiles = tile_set(scenes, options.out, fold, options.size)

            def job(tiles: Path = tiles, fold: int = fold, seed: int = seed) -> dict[str, Any]:
                run, spent = options.out / "runs" / f"search-{fold}-{seed}", time.process_time()
                for stage in (1, 2, 3):
                    dnas.search(
                        run, stage, data=tiles, epochs=options.epochs, seed=seed, **SMALL, **SEARCH
                    )
                    dnas.decode(run, stage, candidates=8)
                searched = time.process_time() - spent
                recipe = {**SMALL, **DICE, "head": 64, "epochs": 2 * options.epochs}
                dnas.retrain(run, seed=seed, tournament=options.tournament, **recipe)
                found = time.process_time() - spent - searched
                _, members = baseline(
                    run, BaselineOptions(options.random, 1, peers=options.peers, equal="time")
                )
                scores = {item.name: round(item.mean_iou, 4) for item in members}
                seconds = {"search": round(searched, 1), "retraining": round(found, 1)}
                return {"plain": scores[FOUND], "scores": scores, "seconds": seconds}

            yield "found", fold, seed, job


def print_table(results: list[dict[str, Any]]) -> None:
    """Print mean IoU per recipe and scene, and where a search stands among random ones."""
    by_name: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        by_name[row["name"]][row["fold"]].append(row["plain"])
    for name, folds in by_name.items():
        means = {fold: statistics.mean(values) for fold, values in sorted(folds.items())}
        shown = " ".join(f"Tile {fold}: {mean:.3f}" for fold, mean in means.items())
        print(f"{name:32} {statistics.mean(means.values()):.3f}   {shown}")
    for row in results:
        if "scores" in row:
            random = [score for name, score in row["scores"].items() if name.startswith(RANDOM)]
            spread = statistics.stdev(random) if len(random) > 1 else 0.0
            print(
                f"Tile {row['fold']}: found {row['plain']:.3f}, "
                f"random {statistics.mean(random):.3f} "
                f"(deviation {spread:.3f}, best {max(random):.3f})"
            )


def rows(out: Path) -> list[dict[str, Any]]:
    """Return the results so far."""
    path = out / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _score(run: Path, tiles: Path, view: Any) -> float:
    out = run / "scores" / view
    return round(
        dnas.evaluate(run, tiles, views=view, batch=8, out=out, overwrite=True).mean_iou, 4
    )


def _mean(pixels: Any, factor: int) -> Any:
    height, width = (length // factor * factor for length in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(
        height // factor, factor, width // factor, factor, pixels.shape[2]
    )
    return blocks.mean((1, 3)).round().astype(np.uint8)


def _nearest(pixels: Any, factor: int) -> Any:
    height, width = (length // factor * factor for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[factor // 2 : height : factor, factor // 2 : width : factor])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("part", choices=("recipes", "search"))
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--shrink", type=int, default=4)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--only", nargs="*", default=[], help="recipes")
    parser.add_argument("--random", type=int, default=8)
    parser.add_argument("--tournament", type=int, default=0)
    parser.add_argument("--peers", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main()
