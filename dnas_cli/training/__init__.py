"""Loaders, augmentation, losses, the one training loop and its checkpoints."""
