"""The recycling train step of the default network."""

import tensorflow as tf

from experiments.benchmarks.flops import graph_flops
from experiments.benchmarks.step_process import NUM_CLASSES, train_step
from experiments.benchmarks.timing import interleaved_medians, matrix_product
from experiments.benchmarks.train_memory import step_peak_mib

VOLUME_SHAPE = (48, 64, 48)
# Recycling runs the network forward once without and once with gradients; a
# gradient costs two more, one for the features and one for the weights.
FORWARDS_PER_STEP = 4


def run(repeats):
    """Times step and forward pass of one volume, beside a matrix product.

    The step in float32, with `--remat` and with `--precision=mixed_bfloat16`, and the
    peak memory with and without `--remat`.

    Args:
        repeats: timed runs of each.

    Returns:
        Dict of figures; rates count convolutions and matrix products alone.
    """
    model, batch, step = train_step(VOLUME_SHAPE, remat=False)
    _, _, remat_step = train_step(VOLUME_SHAPE, remat=True)
    _, _, half_step = train_step(VOLUME_SHAPE, remat=False, precision="mixed_bfloat16")
    inputs = {
        "image": batch["image"],
        "x_t": tf.random.stateless_normal([1, *VOLUME_SHAPE, NUM_CLASSES], [0, 3]),
        "t": tf.constant([0.4]),
    }
    forward = tf.function(
        lambda: model(inputs, training=False), jit_compile=model.jit_compile
    )
    product, product_flops = matrix_product()
    seconds = interleaved_medians(
        {
            "matrix_product": product,
            "forward": lambda: forward().numpy(),
            "step": lambda: step().numpy(),
            "remat_step": lambda: remat_step().numpy(),
            "bfloat16_step": lambda: half_step().numpy(),
        },
        repeats,
    )
    flops = graph_flops(forward.get_concrete_function().graph)
    matrix_rate = product_flops / seconds["matrix_product"]
    step_rate = FORWARDS_PER_STEP * flops / seconds["step"]
    half_rate = FORWARDS_PER_STEP * flops / seconds["bfloat16_step"]
    forward_rate = flops / seconds["forward"]
    return {
        "device": tf.config.list_logical_devices()[-1].name,
        "volume": "x".join(map(str, VOLUME_SHAPE)),
        "parameters": model.count_params(),
        "forward_gflop": flops / 1e9,
        "step_gflop": FORWARDS_PER_STEP * flops / 1e9,
        "forward_s": seconds["forward"],
        "step_s": seconds["step"],
        "remat_step_s": seconds["remat_step"],
        "bfloat16_step_s": seconds["bfloat16_step"],
        "examples_per_s": 1.0 / seconds["step"],
        "matrix_product_gflop_per_s": matrix_rate / 1e9,
        "forward_gflop_per_s": forward_rate / 1e9,
        "step_gflop_per_s": step_rate / 1e9,
        "forward_share_of_matrix_product": forward_rate / matrix_rate,
        "step_share_of_matrix_product": step_rate / matrix_rate,
        # Of the product in float32 as well.
        "bfloat16_step_share_of_matrix_product": half_rate / matrix_rate,
        # Of a process each, with what Python and TensorFlow take themselves.
        "peak_memory_mib": step_peak_mib(VOLUME_SHAPE, remat=False),
        "remat_peak_memory_mib": step_peak_mib(VOLUME_SHAPE, remat=True),
    }
