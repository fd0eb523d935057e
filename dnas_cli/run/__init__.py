"""The run directory: layout, manifest, lineage, lock."""
