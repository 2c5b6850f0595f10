"""Trains two steps of a config on random data and prints its peak memory as JSON.

python -m experiments.benchmarks.plan_process CONFIG_JSON NUM_CLASSES IMAGE_CHANNELS
"""

import json
import sys

from experiments.benchmarks.peak_memory import peak_bytes
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.train_config import TrainConfig


def main(config, num_classes, image_channels):
    """Runs the steps and prints the peak memory."""
    load_tensorflow()
    import tensorflow as tf

    from tf_diffseg.runs.training_run import make_optimizer
    from tf_diffseg.training.flat_network import flat_network

    model = flat_network(
        num_classes,
        image_channels,
        dtype=config.precision,
        **config.model_arguments(),
    )
    model.compile(
        make_optimizer(config, 2), accumulation_steps=config.accumulation_steps
    )
    shape = [config.batch_size, *config.patch_shape]
    image = tf.random.stateless_normal([*shape, image_channels], [0, 1])
    label = tf.random.stateless_uniform(shape, [0, 2], 0, num_classes, tf.int32)
    cases = tf.data.Dataset.from_tensors({"image": image, "label": label}).repeat(2)
    model.fit(cases, verbose=0)
    print(json.dumps({"peak_gib": peak_bytes() / 2**30}))


if __name__ == "__main__":
    main(TrainConfig(**json.loads(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))
