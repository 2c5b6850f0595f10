"""Random numbers that each example draws from its own seed.

A sample then depends on its seed alone: not on its batch, its place in the batch, or
the number of replicas that share the work.
"""

import functools

import tensorflow as tf

# Stands for the step of x_T, so that x_T does not depend on the number of steps.
_INITIAL_STEP = -1
_normal = functools.partial(tf.random.stateless_normal, alg=tf.random.Algorithm.PHILOX)
_uniform = functools.partial(
    tf.random.stateless_uniform, alg=tf.random.Algorithm.PHILOX
)


def derived_seeds(seeds, indices):
    """Derives a seed from each pair of a seed and an index.

    Args:
        seeds: int of shape [n].
        indices: int of the same shape.

    Returns:
        Tensor of the seeds' type and shape. Two seeds differ if their pairs do.
    """
    seeds = tf.convert_to_tensor(seeds)
    pairs = tf.stack([seeds, tf.cast(indices, seeds.dtype)], axis=1)
    # `stateless_fold_in` would not do: it hashes the seed, not the index.
    return tf.map_fn(
        lambda pair: _uniform([], pair, minval=None, dtype=seeds.dtype), pairs
    )


def _draw_per_example(draw, seeds, step, shape):
    """Calls `draw(shape, seed)` for each example; float32 tensor of shape `shape`."""
    step = tf.cast(step, seeds.dtype)
    numbers = tf.map_fn(
        lambda seed: draw(shape[1:], tf.stack([seed, step])),
        seeds,
        fn_output_signature=tf.float32,
    )
    return tf.reshape(numbers, shape)


def normal_per_example(seed, step, shape):
    """Draws standard normal noise, each example from its own seed.

    Args:
        seed: int of shape [batch], or a scalar, which is combined with the index of
            each example.
        step: int scalar; each step gives other noise.
        shape: shape of the noise, [batch, ...], list or int tensor.

    Returns:
        float32 tensor of that shape.

    Raises:
        ValueError or tf.errors.InvalidArgumentError: if the number of seeds is not the
            batch size.
    """
    shape = tf.convert_to_tensor(shape)
    seeds = tf.convert_to_tensor(seed)
    if seeds.shape.rank == 0:
        indices = tf.range(shape[0], dtype=seeds.dtype)
        seeds = derived_seeds(tf.fill(shape[:1], seeds), indices)
    return _draw_per_example(_normal, seeds, step, shape)


def uniform_per_example(seed, step, shape=None):
    """Draws uniform numbers, each example from its own seed.

    Args:
        seed: int of shape [batch].
        step: int scalar; must differ from the steps of `normal_per_example`.
        shape: shape of the numbers, [batch, ...], list or int tensor; by default
            [batch], one number per example.

    Returns:
        float32 tensor of that shape, in [0, 1).
    """
    seeds = tf.convert_to_tensor(seed)
    shape = tf.convert_to_tensor(tf.shape(seeds) if shape is None else shape)
    return _draw_per_example(_uniform, seeds, step, shape)


def initial_noise(seed, shape):
    """Draws x_T, where sampling starts.

    Args:
        seed: see `normal_per_example`. The reverse steps may use the same seed.
        shape: shape of x_T, [batch, ...].

    Returns:
        float32 tensor of that shape.
    """
    return normal_per_example(seed, _INITIAL_STEP, shape)
