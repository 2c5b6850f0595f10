"""Closed choices of the network; this module loads no Keras."""

NORMS = ("instance", "channel")
# How the way up takes in skip connections.
SKIPS = ("add", "concat")
