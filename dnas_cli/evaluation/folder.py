"""The scenes and labels of a plain folder."""

from pathlib import Path

import yaml

from dnas_cli.console import logger
from dnas_cli.datasets.description import DatasetDescription, parse_description
from dnas_cli.datasets.discovery import LabelledScenes, find_description, find_pairs
from dnas_cli.errors import DataError
from dnas_cli.evaluation.evaluation import check_classes
from dnas_cli.model.model_file import ModelFacts


def open_folder(root: Path, dataset: str | None, facts: ModelFacts, model: str) -> LabelledScenes:
    """Find the images and labels of a folder.

    Args:
        root: The folder.
        dataset: A built-in dataset description or a YAML file. When missing, the folder's own
            description or layout decides, else the colours of the model's classes.
        facts: Of the model.
        model: Name of the model, for messages.

    Raises:
        DataError: There are no pairs, or their classes are not the model's.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is {'no folder' if root.exists() else 'not there'}.")
    description = _description(root, dataset, facts)
    check_classes(facts, [item.name for item in description.classes], str(root), model)
    pairs, problems = find_pairs(root, description)
    for problem in problems:
        logger.warning("%s: left out: %s", problem.name, problem.reason)
    if not pairs:
        raise DataError(
            f"{root}: no image has a label.",
            "Name them alike in images/ and labels/, or describe the folder with --dataset.",
        )
    return LabelledScenes(
        root, tuple(pairs), description.encoding, description.bands, description.nodata
    )


def _description(root: Path, dataset: str | None, facts: ModelFacts) -> DatasetDescription:
    if dataset is None:
        try:
            return find_description(root, None)
        except DataError:
            if (root / "dataset.yaml").exists() or (root / "dataset.yml").exists():
                raise  # it has a description of its own, and that one is wrong
            logger.info("%s: labels are read by the colours of the model's classes", root)
            classes = {item.name: list(item.colour) for item in facts.classes}
            return parse_description(yaml.safe_dump({"classes": classes}), str(root), root.name)
    return find_description(root, dataset)
