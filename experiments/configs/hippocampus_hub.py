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
    """As msd_hippocampus, for longer and with augmentation."""
    return dataclasses.replace(
        msd_hippocampus.get_config(),
        epochs=30,
        ema=0.995,
        validation_frequency=10,
        flip_axes="x",
        affine_probability=0.3,
        noise_probability=0.1,
        brightness_probability=0.1,
        contrast_probability=0.1,
        gamma_probability=0.15,
    )
