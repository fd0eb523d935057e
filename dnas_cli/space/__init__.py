"""The lattice, the three search spaces, codings and their decoders. Pure data, no torch."""
