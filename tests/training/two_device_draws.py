"""Prints, as JSON, what two devices draw for the steps 0, 1 and 0 again.

Devices are set up once a process, so this is a program of its own. Each step is a dict
from a name to the values of the two replicas.
"""

import json

import numpy as np
import tensorflow as tf

from tf_diffseg.training import step_draws
from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.distribution.replica_share import (
    gather_from_replicas,
    share_of_replica,
)
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D, run_network


def main():
    """Draws and prints."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, devices)
    strategy = mirrored_strategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = SegmentationUNet3D(2, num_channels=(4,), num_heads=0, dropout=0.5)
    image = tf.random.stateless_normal([1, 4, 4, 4, 1], [0, 0])

    def draw(step):
        seeds = step_draws.step_seeds(7, step)
        # One example on the first replica and two on the second.
        size = 1 + tf.distribute.get_replica_context().replica_id_in_sync_group
        share = share_of_replica(tf.convert_to_tensor(size))
        examples = step_draws.example_seeds(seeds.noise, share)
        dropout_seeds = step_draws.example_seeds(seeds.dropout, share)
        logits = run_network(model, {"image": image}, dropout_seeds=dropout_seeds[:1])
        return seeds._asdict() | {
            "examples": examples,
            "gathered": gather_from_replicas(tf.cast(examples, tf.float32), share),
            "logits": logits,
        }

    @tf.function
    def run(step):
        values = strategy.run(draw, args=(step,))
        return tf.nest.map_structure(strategy.experimental_local_results, values)

    steps = [run(tf.constant(step)) for step in (0, 1, 0)]
    as_lists = tf.nest.map_structure(lambda value: np.ravel(value).tolist(), steps)
    print(json.dumps(as_lists))


if __name__ == "__main__":
    main()
