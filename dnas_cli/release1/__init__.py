"""The first release: its codings, checkpoints and tensor names, in and out."""
