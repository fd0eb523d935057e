"""The scenes and labels of a plain folder."""

from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.datasets.description import DatasetDescription, plain_description
from dnas_cli.datasets.discovery import LabelledScenes, find_description, find_pairs
from dnas_cli.errors import DataError
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.label_survey import settled_encoding


def open_folder(
    root: Path, dataset: str | None, facts: ModelFacts, model: str, max_unknown: float, as_is: bool
) -> LabelledScenes:
    """Find the images and labels of a folder.

    Args:
        dataset: A built-in dataset description or a YAML file. When missing, the folder's own
            description or layout decides, else labels are read as those the model learnt from.
        model: Name of the model, for messages.
        max_unknown: The largest share of pixels of a label of no known colour or value.
        as_is: Labels lie on their images pixel by pixel, wherever they say they lie.

    Raises:
        DataError: There are no pairs, or their classes are not the model's.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is {'not a folder' if root.exists() else 'not there'}.")
    description, is_described = _description(root, dataset, facts)
    facts.refuse_other_classes([item.name for item in description.classes], str(root), model)
    pairs, problems = find_pairs(root, description)
    for problem in problems:
        logger.warning("%s: left out: %s", problem.name, problem.reason)
    if not pairs:
        raise DataError(
            f"{root}: no image has a label.",
            "Name them alike in images/ and labels/, or describe the folder with dataset=YAML.",
        )
    labels = [root / name for pair in pairs for name in (pair.label, *pair.more_labels)]
    encoding = settled_encoding(description.encoding, labels, described=is_described)
    return LabelledScenes(
        root, tuple(pairs), encoding, max_unknown, description.bands, description.nodata, as_is
    )


def _description(
    root: Path, dataset: str | None, facts: ModelFacts
) -> tuple[DatasetDescription, bool]:
    """Return the description, and whether it was written for these labels."""
    if dataset is not None:
        return find_description(root, dataset), True
    try:
        return find_description(root, None), True
    except DataError:
        if (root / "dataset.yaml").exists() or (root / "dataset.yml").exists():
            raise  # it has a description of its own, and that one is wrong
        logger.info("%s: labels are read as those that the model was trained on", root)
        return plain_description(facts.label_encoding, root.name), False
