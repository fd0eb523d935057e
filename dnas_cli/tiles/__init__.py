"""Tile sets: dataset descriptions, cutting, statistics, splits."""
