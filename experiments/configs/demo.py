"""The phantoms of `make demo`: shows that all parts work together.

Made for shards of `data_tools.make_phantom` at 1.5 mm. See
`python -m experiments.demo` for the whole chain.
"""

from experiments.train_config import TrainConfig


def get_config():
    """A small network on whole phantoms."""
    return TrainConfig(
        patch_shape=(40, 40, 40),
        batch_size=2,
        epochs=16,
        validation_frequency=8,
        num_channels=(16, 32, 64),
    )
