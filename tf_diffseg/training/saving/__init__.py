"""Checkpoints, weights and the state of the optimizer, to a file and back."""
