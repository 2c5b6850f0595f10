"""Closed choices of the network; this module loads no Keras."""

NORMS = ("instance", "channel")
# How the way up takes in skip connections.
SKIPS = ("add", "concat")
# What a mask branch gives at the finest resolution, where a step costs most: features
# that a convolution joins with those of the image, or just logits to add to theirs.
MASK_OUTPUTS = ("features", "logits")
