"""Runs a training step and prints the peak memory of this process as JSON.

python -m experiments.benchmarks.step_process X,Y,Z REMAT
"""

import json
import sys

from experiments.benchmarks.peak_memory import peak_bytes
from tf_diffseg.quiet import load_tensorflow

NUM_CLASSES = 3
NUM_CHANNELS = (16, 32, 64, 128)


def train_step(shape, **arguments):
    """The recycling step of the default network on one random volume.

    Args:
        shape: (x, y, z).
        **arguments: arguments of `DiffusionUNet3D` that differ from the default.

    Returns:
        (model, its batch, a compiled function that runs the step).
    """
    import tensorflow as tf

    from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
    from tf_diffseg.training.optimizer import KernelDecayAdamW

    model = DiffusionUNet3D(NUM_CLASSES, num_channels=NUM_CHANNELS, **arguments)
    model.compile(KernelDecayAdamW(1e-3))
    batch = {
        "image": tf.random.stateless_normal([1, *shape, 1], [0, 1]),
        "label": tf.random.stateless_uniform(
            [1, *shape], [0, 2], 0, NUM_CLASSES, tf.int32
        ),
    }
    step = tf.function(
        lambda: model.train_step(batch)["loss"], jit_compile=model.jit_compile
    )
    return model, batch, step


def main(shape, remat):
    """Runs the step and prints the peak memory."""
    load_tensorflow()
    _, _, step = train_step(shape, remat=remat)
    step().numpy()
    print(json.dumps({"peak_mb": peak_bytes() / 2**20}))


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1].split(","))), sys.argv[2] == "remat")
