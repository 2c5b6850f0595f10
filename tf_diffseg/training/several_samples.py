"""Several samples of one image, which is encoded once."""

import tensorflow as tf


def each_sample(draw, seed):
    """Draws one or several samples, one after another.

    Args:
        draw: function (seed [batch]) -> probabilities [..., classes].
        seed: int [batch], or [batch, samples].

    Returns:
        Result of `draw`; for several samples, [..., samples, classes].
    """
    seed = tf.convert_to_tensor(seed)
    if seed.shape.rank == 1:
        return draw(seed)
    samples = tf.map_fn(
        draw,
        tf.transpose(seed),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
    last = samples.shape.rank - 1
    return tf.transpose(samples, [*range(1, last), 0, last])
