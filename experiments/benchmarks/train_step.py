"""The recycling training step of the default network."""

from typing import Any

import tensorflow as tf

from experiments.benchmarks.step_process import NUM_CLASSES, train_step
from experiments.benchmarks.timing import interleaved_medians, matrix_product
from experiments.benchmarks.train_memory import step_peak_mib
from experiments.benchmarks.two_branches import step_figures
from tf_diffseg.training.flops import graph_flops

VOLUME_SHAPE = (48, 64, 48)
# Recycling runs the network forward once without and once with gradients. A gradient
# costs two more passes, one for the features and one for the weights.
FORWARDS_PER_STEP = 4
# Options that users may choose for speed or memory.
VARIANTS: dict[str, dict[str, Any]] = {
    "remat": {"remat": True},
    "channel_norm": {"norm": "channel"},
    "bfloat16": {"dtype": "mixed_bfloat16"},
    "bfloat16_channel_norm": {"dtype": "mixed_bfloat16", "norm": "channel"},
}


def run(repeats):
    """Times step and forward pass of one volume, beside a matrix product.

    Runs the step of the default network in float32 and of its `VARIANTS`, and measures
    its peak memory with and without `--remat`; then compares the steps of networks with
    one and two branches. Rates count only convolutions and matrix products.
    """
    model, batch, step = train_step(VOLUME_SHAPE)
    steps = {"step": step}
    for name, arguments in VARIANTS.items():
        _, _, steps[f"{name}_step"] = train_step(VOLUME_SHAPE, **arguments)
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
            **{name: lambda step=step: step().numpy() for name, step in steps.items()},
        },
        repeats,
    )
    flops = graph_flops(forward.get_concrete_function().graph)
    matrix_rate = product_flops / seconds["matrix_product"]
    step_rates = {name: FORWARDS_PER_STEP * flops / seconds[name] for name in steps}
    forward_rate = flops / seconds["forward"]
    return {
        "device": tf.config.list_logical_devices()[-1].name,
        "volume": "x".join(map(str, VOLUME_SHAPE)),
        "parameters": model.count_params(),
        "forward_gflop": flops / 1e9,
        "step_gflop": FORWARDS_PER_STEP * flops / 1e9,
        "forward_s": seconds["forward"],
        **{f"{name}_s": seconds[name] for name in steps},
        "examples_per_s": 1.0 / seconds["step"],
        "matrix_product_gflop_per_s": matrix_rate / 1e9,
        "forward_gflop_per_s": forward_rate / 1e9,
        "step_gflop_per_s": step_rates["step"] / 1e9,
        "forward_share_of_matrix_product": forward_rate / matrix_rate,
        # The product is in float32 for every variant.
        **{
            f"{name}_share_of_matrix_product": rate / matrix_rate
            for name, rate in step_rates.items()
        },
        # Of one process each, with the memory of Python and TensorFlow.
        "peak_memory_mib": step_peak_mib(VOLUME_SHAPE, remat=False),
        "remat_peak_memory_mib": step_peak_mib(VOLUME_SHAPE, remat=True),
        **step_figures(repeats),
    }
