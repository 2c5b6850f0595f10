"""Choices of a network; loads no Keras."""

NORMS = ("instance", "channel")
# How skip connections join.
SKIPS = ("add", "concat")
