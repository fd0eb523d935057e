"""The inference network: the plain one with everything linear folded together."""
