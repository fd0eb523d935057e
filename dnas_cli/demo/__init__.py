"""Synthetic labelled scenes in GID-5's layout, and a walkthrough with them."""
