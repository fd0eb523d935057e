"""Training batches in an order that is a function of (seed, epoch), startable at any step."""

import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate, get_worker_info

from dnas_cli.console import as_bytes, logger
from dnas_cli.errors import DnasError, UsageError
from dnas_cli.run.settings import TrainingSettings
from dnas_cli.tiles.lists import TileList, TileRef
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.augmentation import (
    random_crop,
    random_light,
    random_scale,
    random_symmetry,
    sample_generator,
)
from dnas_cli.training.epoch_order import RareTiles, epoch_order, rare_tiles
from dnas_cli.training.mixing import cut_out, mix_classes
from dnas_cli.training.ranks import Ranks, joined_ranks, ranks_on_this_machine
from dnas_cli.training.strong_augmentation import strong_augmentation

Batch = tuple[Tensor, Tensor]
Tile = tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8]]
Index = tuple[int, int]  # epoch, position among the tiles

_SHARED_MEMORY = "/dev/shm"
_AHEAD = 2  # batches that a worker prepares ahead
_KEPT_BYTES = 1 << 28  # of tiles that this process reads; opening files takes a fifth of a training


class TrainingTiles(Dataset[Batch | DnasError]):
    """Augmented, normalised tiles; an item is asked for by (epoch, position)."""

    def __init__(
        self, tiles: TileSet, refs: Sequence[TileRef], settings: TrainingSettings, stream: int
    ) -> None:
        self._tiles = tiles
        self._refs = refs
        self._settings = settings
        self._stream = stream
        self._kept: dict[int, Tile] = {}
        self._room = _KEPT_BYTES

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, item: Index) -> Batch | DnasError:
        """Return the image (B, H, W) float32 and the label (H, W) int64 of one tile.

        An error is returned as well: raised, it would arrive as the text of a traceback.
        """
        try:
            return self._load(*item)
        except DnasError as error:
            if get_worker_info() is not None:  # some libraries send causes that nobody can rebuild
                error.__cause__ = error.__context__ = None
            return error

    def __getitems__(self, items: list[Index]) -> list[Batch | DnasError]:
        """Return the tiles of shards, mixed within each where the settings ask for it."""
        size = self._settings.shard_size
        shards = [items[start : start + size] for start in range(0, len(items), size)]
        return [tile for shard in shards for tile in self._shard(shard)]

    def _shard(self, items: list[Index]) -> list[Batch | DnasError]:
        settings, loaded = self._settings, [self[item] for item in items]
        if not (settings.mix_classes or settings.cut_out):
            return loaded
        tiles = [item for item in loaded if not isinstance(item, DnasError)]
        if len(tiles) < len(loaded):
            return loaded  # the error is raised when the batch is put together
        images = np.stack([image.numpy() for image, _ in tiles])
        labels = np.stack([label.numpy() for _, label in tiles])
        (epoch, first), stream = items[0], settings.seed * 4 + self._stream
        rng = np.random.default_rng([stream, epoch, first, 1])
        images, labels = mix_classes(images, labels, settings.mix_classes, rng)
        images, labels = cut_out(images, labels, settings.cut_out, rng)
        return [
            (torch.from_numpy(image), torch.from_numpy(label))
            for image, label in zip(images, labels, strict=True)
        ]

    def _load(self, epoch: int, index: int) -> Batch:
        settings = self._settings
        image, valid, label = self._read(index)
        normalisation = self._tiles.normalisation_of(self._refs[index])
        rng = sample_generator(settings.seed * 4 + self._stream, epoch, index)
        if settings.augment == "strong":
            size = min(settings.crop or self._tiles.tile_size, self._tiles.tile_size)
            black, image = normalisation.black, normalisation.apply(image, valid)
            image, valid, label = strong_augmentation(
                image, valid, label, black, size, rng, settings.light
            )
            return torch.from_numpy(image), torch.from_numpy(label.astype(np.int64))
        image, valid, label = random_crop(image, valid, label, settings.crop, rng)
        image, valid, label = random_symmetry(image, valid, label, settings.augment, rng)
        normalised = normalisation.apply(np.ascontiguousarray(image), valid)
        # Also where images are normalised by themselves: how bright one comes out depends on what
        # it shows, and the next one shows other shares of the classes.
        if settings.augment in ("photometric", "scale"):
            normalised = random_light(normalised, valid, normalisation.black, rng, settings.light)
        if settings.augment == "scale":
            normalised, valid, label = random_scale(normalised, valid, label, rng)
        return torch.from_numpy(normalised), torch.from_numpy(label.astype(np.int64))

    def _read(self, index: int) -> Tile:
        """Return a tile as it is in its files; as long as there is room, they are read once."""
        if index in self._kept:
            return self._kept[index]
        tile = self._tiles.read(self._refs[index])
        size = sum(part.nbytes for part in tile)
        if get_worker_info() is None and size <= self._room:
            for part in tile:
                part.flags.writeable = False
            self._kept[index] = tile
            self._room -= size
        return tile


class EpochSampler(Sampler[list[Index]]):
    """Shuffled batches of one epoch after another; incomplete batches are left out.

    The shuffle differs between epochs, so that over time every tile is seen.

    Args:
        tiles: Number of tiles.
        batch: Tiles per step.
        seed: Of the order.
        rare: Tiles to exchange some for, if any.
        shards: Parts of a batch.
        ranks: The processes of the training; this one gets its own shards.
        most: Batches of an epoch; 0 for as many as there are.
    """

    def __init__(
        self,
        tiles: int,
        batch: int,
        seed: int,
        rare: RareTiles | None = None,
        shards: int = 1,
        ranks: Ranks | None = None,
        most: int = 0,
    ) -> None:
        self._tiles = tiles
        self._batch = batch
        self._steps = min(tiles // batch, most or tiles)
        self._seed = seed
        self._rare = rare
        size = batch // shards
        own = (ranks or Ranks()).own(shards)
        self._own = [shard * size + place for shard in own for place in range(size)]
        self.epoch = 0
        self.start = 0  # first step to give out

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[Index]]:
        order = epoch_order(self._tiles, self._seed, self.epoch, self._rare)
        for step in range(self.start, len(self)):
            chosen = order[step * self._batch : (step + 1) * self._batch]
            yield [(self.epoch, int(chosen[place])) for place in self._own]


class BatchStream:
    """The batches of a set of tiles, epoch after epoch.

    Args:
        refs: The tiles to draw from.
        settings: Batch size, crop, augmentation, seed.
        stream: Number that sets this stream's randomness apart from others of the same run.
        workers: Processes that load tiles; 0 loads in this one. Fewer are used where their shared
            memory is too small for the batches.
        device: Where the batches go.

    Raises:
        UsageError: There are fewer tiles than a batch holds.
    """

    def __init__(
        self,
        tiles: TileSet,
        refs: Sequence[TileRef],
        settings: TrainingSettings,
        stream: int,
        workers: int,
        device: torch.device | None = None,
    ) -> None:
        if len(refs) < settings.batch:
            raise UsageError(
                f"{tiles.root}: {len(refs)} tiles to draw from are less than a batch of "
                f"{settings.batch}.",
                "Give a smaller batch, or cut more tiles.",
            )
        rare = rare_tiles(tiles, refs, settings.rare_share) if settings.rare_share else None
        self._device = device or torch.device("cpu")
        ranks, seed = joined_ranks(), settings.seed * 4 + stream
        self._sampler = EpochSampler(
            len(refs), settings.batch, seed, rare, settings.shards, ranks, settings.epoch_steps
        )
        loaded = len(ranks.own(settings.shards)) * settings.shard_size
        workers = _within_shared_memory(workers, tiles, settings, loaded)
        self._loader = DataLoader(
            TrainingTiles(tiles, refs, settings, stream),
            batch_sampler=self._sampler,
            num_workers=workers,
            prefetch_factor=_AHEAD if workers else None,
            persistent_workers=workers > 0,
            collate_fn=_together,
            worker_init_fn=_leave_signals_to_the_parent,
            # Its own generator: a loader draws a number whenever it starts an epoch, and must not
            # take it from the stream that dropout draws from.
            generator=torch.Generator(),
            # Asking torch for pinned memory opens the GPU, which --device cpu leaves alone.
            pin_memory=device is not None and device.type == "cuda",
        )

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return len(self._sampler)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Return the batches of an epoch from a step on.

        Raises:
            DataError: A tile cannot be read.
        """
        self._sampler.epoch, self._sampler.start = epoch, start
        return ahead_on(self._device, self._checked())

    def _checked(self) -> Iterator[Batch]:
        for batch in self._loader:
            if isinstance(batch, DnasError):
                raise batch
            yield batch

    def close(self) -> None:
        """End the loading processes, which ignore SIGTERM and would be waited for at exit."""
        batches: Any = self._loader._iterator
        self._loader._iterator = None
        if batches is None:
            return
        batches._shutdown_workers()
        for worker in batches._workers:  # stuck on a disk that does not answer
            if worker.is_alive():
                worker.kill()


def ahead_on(device: torch.device, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches on a device; a GPU gets each while the step before it is computed."""
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    waiting: Batch | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            image, label = (part.to(device, non_blocking=True) for part in batch)
        if waiting is not None:
            yield waiting
        # What computes with the batch waits for its copy, and its memory for that computation.
        torch.cuda.current_stream(device).wait_stream(stream)
        for part in (image, label):
            part.record_stream(torch.cuda.current_stream(device))
        waiting = image, label
    if waiting is not None:
        yield waiting


def _within_shared_memory(
    workers: int, tiles: TileSet, settings: TrainingSettings, batch: int
) -> int:
    """Return how many workers to use, and warn where that is less than asked for."""
    try:
        facts = os.statvfs(_SHARED_MEMORY)
    except OSError:  # not on this system
        return workers
    free = facts.f_bavail * facts.f_frsize // ranks_on_this_machine()
    side = min(settings.crop or tiles.tile_size, tiles.tile_size)
    affordable = affordable_workers(workers, free, batch, side, len(tiles.bands))
    if affordable < workers:
        logger.warning(
            "%s: has %s free, enough for %d of %d loading processes; a container gets more with "
            "--shm-size 1g.",
            _SHARED_MEMORY,
            as_bytes(free),
            affordable,
            workers,
        )
    return affordable


def affordable_workers(workers: int, free: int, batch: int, side: int, bands: int) -> int:
    """Return how many workers shared memory has room for: containers often get 64 MB of it.

    Args:
        workers: How many are wanted.
        free: Bytes of shared memory.
        batch: Tiles per batch.
        side: Of a tile, in pixels.
    """
    needed = batch * side**2 * (4 * bands + 8)  # the image in float32, the label in int64
    # A search has two streams; each holds two batches beside those that its workers prepare.
    return max(0, min(workers, (free // (2 * needed) - 2) // _AHEAD))


def _together(items: list[Batch | DnasError]) -> Batch | DnasError:
    for item in items:
        if isinstance(item, DnasError):
            return item
    images, labels = default_collate(items)
    return images, labels


def _leave_signals_to_the_parent(worker: int) -> None:
    # They reach the whole process group; the training process finishes its step and saves.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def halves(refs: TileList, seed: int) -> tuple[TileList, TileList]:
    """Cut the training tiles in two halves by the seed: weights learn on A, logits on B."""
    order = np.random.default_rng([seed, 2]).permutation(len(refs)).tolist()
    middle = (len(refs) + 1) // 2
    return refs.chosen(order[:middle]), refs.chosen(order[middle:])
