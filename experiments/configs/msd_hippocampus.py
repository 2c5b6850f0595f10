r"""Medical Segmentation Decathlon, Task04 Hippocampus.

    python -m data_tools.convert_nifti --output_dir=SHARDS \
        --dataset_json=Task04_Hippocampus/dataset.json --volume_shape=40,56,40
    python -m experiments.train --config=msd_hippocampus \
        --data_dir=SHARDS --model_dir=RUN

Cost: 24 epochs took 29 minutes on 2 CPU cores that had other work, 8 more 12. Score:
mean foreground Dice 0.867 after 24 epochs and 0.869 (anterior 0.877, posterior 0.861)
after going on to 32, on the 34 cases of the test split, by
`python -m experiments.evaluate`.
"""

from experiments.train_config import TrainConfig


def get_config():
    """Whole volumes of 40x56x40, which hold every labelled voxel."""
    return TrainConfig(
        patch_shape=(40, 56, 40),
        batch_size=2,
        epochs=32,
        learning_rate=3e-3,
        flip_axes="x",  # Both sides are there, and their parts are named alike.
        num_channels=(16, 32, 64, 128),
    )
