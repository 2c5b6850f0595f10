r"""The Hippocampus model that comes with tf_diffseg.

    python -m data_tools.convert_nifti --output_dir=SHARDS \
        --dataset_json=Task04_Hippocampus/dataset.json --volume_shape=40,56,40 \
        --split=train=0.8,validation=0.05,test=0.15
    python -m experiments.train --config=hippocampus_hub \
        --data_dir=SHARDS --model_dir=RUN

Cost: 50 minutes on 2 CPU cores that had much other work. Score: mean foreground Dice
0.880 (anterior 0.886, posterior 0.875), 0.878 after the first of five reverse steps,
on the 34 cases of the test split, by `python -m experiments.evaluate`.
"""

import dataclasses

from experiments.configs import msd_hippocampus


def get_config():
    """As msd_hippocampus, wider, for longer, with augmentation and a light mask branch."""
    return dataclasses.replace(
        msd_hippocampus.get_config(),
        num_channels=(32, 64, 80, 96),
        mask_branch=(16, 32),
        mask_output="logits",
        precision="mixed_bfloat16",
        epochs=70,
        learning_rate=2e-3,
        warmup_steps=300,
        ema=0.998,
        validation_frequency=5,
        flip_axes="x",
        affine_probability=0.5,
        elastic_probability=0.2,
        noise_probability=0.1,
        blur_probability=0.1,
        brightness_probability=0.15,
        contrast_probability=0.15,
        low_resolution_probability=0.1,
        gamma_probability=0.3,
    )
