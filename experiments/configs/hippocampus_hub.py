r"""The Hippocampus model that comes with tf_diffseg.

    python -m data_tools.convert_nifti --output_dir=SHARDS \
        --dataset_json=Task04_Hippocampus/dataset.json --volume_shape=40,56,40 \
        --split_file=split.json --fold=0
    python -m experiments.train --config=hippocampus_hub \
        --data_dir=SHARDS --model_dir=RUN

With `--deep_supervision=0`, as the model that comes with the package was trained: 82
minutes on 2 CPU cores with AMX that had much other work; mean foreground Dice 0.887
(anterior 0.896, posterior 0.879), the same after each of the five reverse steps, on 20
cases that were not trained on, by `python -m experiments.evaluate --split=validation`.
experiments/hub/hippocampus/README.md has split.json.
"""

import dataclasses

from experiments.configs import msd_hippocampus


def get_config():
    """As msd_hippocampus, but wider, and for longer."""
    return dataclasses.replace(
        msd_hippocampus.get_config(),
        num_channels=(32, 64, 80, 96),
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
