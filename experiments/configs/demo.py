"""The phantoms of `make demo`: shows that all parts work together.

For the 40 cases of `data_tools.make_phantom`, converted at 2 mm to 32x32x32 voxels. See
`python -m experiments.demo` for the whole chain.
"""

from tf_diffseg.runs.train_config import TrainConfig


def get_config():
    """A small network on whole phantoms, whose image is encoded once for all steps."""
    return TrainConfig(
        patch_shape=(32, 32, 32),
        batch_size=2,
        epochs=40,
        learning_rate=5e-3,
        validation_frequency=10,
        num_channels=(16, 32, 64),
        num_blocks=(1, 1, 1),
        mask_branch=(16, 32),
    )
