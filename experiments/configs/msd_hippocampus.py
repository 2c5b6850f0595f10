r"""Medical Segmentation Decathlon, Task04 Hippocampus.

    python -m data_tools.convert_nifti --output_dir=SHARDS \
        --dataset_json=Task04_Hippocampus/dataset.json --volume_shape=40,56,40
    python -m experiments.train --config=msd_hippocampus \
        --data_dir=SHARDS --model_dir=RUN

Twelve minutes on one CPU core beside much other work; mean foreground Dice 0.884
(anterior 0.891, posterior 0.877), the same after each of five reverse steps, on the 34
cases of the test split, by `python -m experiments.evaluate`.

Others: `--config=msd_hippocampus:dimensions=2` is the network of slices,
`:diffusion=False` that without diffusion, and `:mask_branch=False` one network that
sees image and noisy mask together, without deep supervision.
"""

import dataclasses

from tf_diffseg.errors import InputError
from tf_diffseg.runs.recipes.published_training import on_slices
from tf_diffseg.runs.train_config import TrainConfig


def get_config(dimensions=3, diffusion=True, mask_branch=True):
    """Whole volumes of 40x56x40, which hold every labelled voxel, or their slices."""
    if dimensions not in (2, 3):
        raise InputError(f"dimensions={dimensions} must be 2 or 3")
    config = TrainConfig(
        patch_shape=(40, 56, 40),
        batch_size=2,
        epochs=8,
        learning_rate=3e-3,
        # Within so few epochs augmentation costs more than it gives.
        affine_probability=0.0,
        elastic_probability=0.0,
        noise_probability=0.0,
        blur_probability=0.0,
        brightness_probability=0.0,
        contrast_probability=0.0,
        low_resolution_probability=0.0,
        gamma_probability=0.0,
        num_channels=(16, 32, 64, 128),
    )
    config = on_slices(config) if dimensions == 2 else config
    if diffusion and not mask_branch:
        return config
    config = dataclasses.replace(
        config, mask_branch=(16, 32), mask_output="logits", deep_supervision=2
    )
    return config if diffusion else config.with_values(strategy="supervised")
