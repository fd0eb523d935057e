"""The training pass: the plain network's steps in less time or less memory."""
