"""Procedural labelled scenes in GID-5's layout, and the demonstration made with them."""
