"""Closed choices of an export; this module loads no TensorFlow."""

# Types that weights may be stored in; the network computes in its own type.
WEIGHT_TYPES = ("float32", "float16", "bfloat16")
