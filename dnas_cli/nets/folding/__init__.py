"""The inference network: the plain one with all linear parts folded together."""
