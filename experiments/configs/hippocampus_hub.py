r"""The Hippocampus model that comes with tf_diffseg.

    python -m data_tools.convert_nifti --output_dir=SHARDS \
        --dataset_json=Task04_Hippocampus/dataset.json --volume_shape=40,56,40 \
        --split=train=1
    python -m experiments.train --config=hippocampus_hub \
        --data_dir=SHARDS --model_dir=RUN

Two and a quarter hours on one CPU core with AVX512_BF16, beside other work. On 176 of
the 196 cases (`--split_file=split.json --fold=0`) two hours; mean foreground Dice on
the other 20 is 0.887 (anterior 0.895, posterior 0.878), the same after each of the five
reverse steps, by `python -m experiments.evaluate --split=validation`.
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
        epochs=52,
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
