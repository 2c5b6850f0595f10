"""The recycling train step of the default network."""

import keras
import tensorflow as tf

from experiments.benchmarks.flops import forward_flops
from experiments.benchmarks.timing import interleaved_medians, matrix_product
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

VOLUME_SHAPE = (48, 64, 48)
NUM_CLASSES = 3
# Recycling runs the network forward once without and once with gradients; a
# gradient costs two more, one for the features and one for the weights.
FORWARDS_PER_STEP = 4


def run(repeats):
    """Times step and forward pass of one volume, beside a matrix product.

    Args:
        repeats: timed runs of each.

    Returns:
        Dict of figures; rates count convolutions and matrix products alone.
    """
    model = DiffusionUNet3D(NUM_CLASSES, num_channels=(16, 32, 64, 128))
    model.compile(keras.optimizers.AdamW(1e-3))
    batch = {
        "image": tf.random.stateless_normal([1, *VOLUME_SHAPE, 1], [0, 1]),
        "label": tf.random.stateless_uniform(
            [1, *VOLUME_SHAPE], [0, 2], 0, NUM_CLASSES, tf.int32
        ),
    }
    inputs = {
        "image": batch["image"],
        "x_t": tf.random.stateless_normal([1, *VOLUME_SHAPE, NUM_CLASSES], [0, 3]),
        "t": tf.constant([0.4]),
    }
    jit = model.jit_compile
    forward = tf.function(lambda: model(inputs, training=False), jit_compile=jit)
    step = tf.function(lambda: model.train_step(batch), jit_compile=jit)
    product, product_flops = matrix_product()
    seconds = interleaved_medians(
        {
            "matrix_product": product,
            "forward": lambda: forward().numpy(),
            "step": lambda: step()["loss"].numpy(),
        },
        repeats,
    )
    flops = forward_flops(forward.get_concrete_function().graph)
    matrix_rate = product_flops / seconds["matrix_product"]
    step_rate = FORWARDS_PER_STEP * flops / seconds["step"]
    forward_rate = flops / seconds["forward"]
    return {
        "device": tf.config.list_logical_devices()[-1].name,
        "volume": "x".join(map(str, VOLUME_SHAPE)),
        "parameters": model.count_params(),
        "forward_gflop": flops / 1e9,
        "step_gflop": FORWARDS_PER_STEP * flops / 1e9,
        "forward_s": seconds["forward"],
        "step_s": seconds["step"],
        "examples_per_s": 1.0 / seconds["step"],
        "matrix_product_gflop_per_s": matrix_rate / 1e9,
        "forward_gflop_per_s": forward_rate / 1e9,
        "step_gflop_per_s": step_rate / 1e9,
        "forward_share_of_matrix_product": forward_rate / matrix_rate,
        "step_share_of_matrix_product": step_rate / matrix_rate,
    }
