"""Mixing the tiles of a batch: parts of one pasted over another, parts cut out."""

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import IGNORE

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def mix_classes(
    images: Images, labels: Labels, share: float, rng: np.random.Generator
) -> tuple[Images, Labels]:
    """Paste half of the classes of the next tile of the batch over some of its tiles.

    Image and label go together (Olsson et al. 2021, arXiv:2007.07936): a road then lies on a ground
    that it never crossed.

    Args:
        images: (N, B, H, W).
        labels: (N, H, W).
        share: Of the tiles that get something pasted.
        rng: Random generator.
    """
    mixed_images, mixed_labels = images.copy(), labels.copy()
    for k in range(len(labels)):
        wanted, other = rng.random() < share, (k + 1) % len(labels)
        classes = np.setdiff1d(np.unique(labels[other]), [IGNORE])
        chosen = rng.permutation(classes)[: len(classes) // 2]
        if wanted:
            pasted = np.isin(labels[other], chosen)
            mixed_images[k][:, pasted] = images[other][:, pasted]
            mixed_labels[k][pasted] = labels[other][pasted]
    return mixed_images, mixed_labels


def cut_out(
    images: Images, labels: Labels, share: float, rng: np.random.Generator
) -> tuple[Images, Labels]:
    """Hide a square of some tiles, an eighth to a third of their side; it counts for nothing.

    Args:
        images: (N, B, H, W), normalised; 0 is the mean.
        labels: (N, H, W).
        share: Of the tiles that lose a square.
        rng: Random generator.
    """
    cut_images, cut_labels = images.copy(), labels.copy()
    for image, label in zip(cut_images, cut_labels, strict=True):
        shortest = min(label.shape)
        wanted = rng.random() < share
        side = int(rng.integers(max(shortest // 8, 1), max(shortest // 3, 1) + 1))
        row, column = (int(rng.integers(length - side + 1)) for length in label.shape)
        if wanted:
            image[:, row : row + side, column : column + side] = 0
            label[row : row + side, column : column + side] = IGNORE
    return cut_images, cut_labels
