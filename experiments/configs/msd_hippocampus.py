r"""Medical Segmentation Decathlon, Task04 Hippocampus.

    python -m data_tools.convert_nifti --output_dir=SHARDS \
        --dataset_json=Task04_Hippocampus/dataset.json --volume_shape=40,56,40
    python -m experiments.train --config=msd_hippocampus \
        --data_dir=SHARDS --model_dir=RUN

Cost: COST
"""

from experiments.train_config import TrainConfig


def get_config():
    """Whole volumes of 40x56x40, which hold every labelled voxel."""
    return TrainConfig(
        patch_shape=(40, 56, 40),
        batch_size=2,
        epochs=8,
        learning_rate=3e-3,
        flip_axes="x",  # Both sides are there, and their parts are named alike.
        # Within so few epochs resampled volumes cost more detail than they teach.
        affine_probability=0.0,
        blur_probability=0.0,
        low_resolution_probability=0.0,
        num_channels=(16, 32, 64, 128),
    )
