"""Decoupled architecture search for scene segmentation, from labelled scenes to maps."""

__version__ = "0.1.0"
