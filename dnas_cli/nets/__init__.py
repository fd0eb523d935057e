"""Torch modules built from a coding: operators, cells, the network and its cost."""
