"""Metrics, evaluation of a model on tiles or folders, and plain reference classifiers."""
