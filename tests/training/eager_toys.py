"""A network that runs without graphs, and volumes for it."""

import numpy as np

from tests.training.toys import toy_model

_RNG = np.random.default_rng(0)
LABEL = _RNG.integers(0, 2, [4, 4, 4, 4])
IMAGE = (LABEL[..., np.newaxis] + _RNG.normal(size=[4, 4, 4, 4, 1])).astype(np.float32)

EAGERLY = {"run_eagerly": True}  # Tracing takes longer than volumes of 64 voxels.


def eager_model(optimizer="adam", compiled=EAGERLY, strategy="supervised", **arguments):
    """`toy_model` that is compiled to run eagerly."""
    return toy_model(optimizer, compiled=compiled, strategy=strategy, **arguments)
