"""Standard normal noise that each example draws from its own seed.

A sample then depends on its seed alone: not on the batch it is drawn in, nor on its
place there, nor on how many replicas share the work.
"""

import tensorflow as tf

# In place of a step's index for x_T, so that x_T does not depend on their number.
_INITIAL_STEP = -1


def derived_seeds(seeds, indices):
    """Seeds that differ where seed or index does.

    Args:
        seeds: int of shape [n].
        indices: int of the same shape.

    Returns:
        Tensor of the seeds' type and shape.
    """

    def derive(pair):
        # `stateless_fold_in` would not do: it hashes the seed, not the index.
        return tf.random.stateless_uniform(
            [],
            pair,
            minval=None,
            maxval=None,
            dtype=seeds.dtype,
            alg=tf.random.Algorithm.PHILOX,
        )

    seeds = tf.convert_to_tensor(seeds)
    pairs = tf.stack([seeds, tf.cast(indices, seeds.dtype)], axis=1)
    return tf.map_fn(derive, pairs)


def _example_seeds(seed, batch_size):
    """One seed per example: given, or from a scalar and the example's index."""
    seed = tf.convert_to_tensor(seed)
    if seed.shape.rank == 1:
        return seed
    indices = tf.range(batch_size, dtype=seed.dtype)
    return derived_seeds(tf.fill([batch_size], seed), indices)


def normal_per_example(seed, step, shape):
    """Draws standard normal noise, each example from its own seed.

    Args:
        seed: int of shape [batch], or a scalar, which is folded with each example's
            index.
        step: int scalar: other steps give other noise.
        shape: shape of the noise, [batch, ...], list or int tensor.

    Returns:
        float32 tensor of that shape.

    Raises:
        ValueError or tf.errors.InvalidArgumentError: where the number of seeds is
            not the batch size.
    """
    shape = tf.convert_to_tensor(shape)
    seeds = _example_seeds(seed, shape[0])
    step = tf.cast(step, seeds.dtype)

    def draw(example_seed):
        return tf.random.stateless_normal(
            shape[1:], tf.stack([example_seed, step]), alg=tf.random.Algorithm.PHILOX
        )

    noise = tf.map_fn(draw, seeds, fn_output_signature=tf.float32)
    return tf.reshape(noise, shape)


def uniform_per_example(seed, step):
    """Draws one number per example from its own seed.

    Args:
        seed: int of shape [batch].
        step: int scalar, as in `normal_per_example`, of which it must differ.

    Returns:
        float32 tensor of shape [batch], in [0, 1).
    """
    seed = tf.convert_to_tensor(seed)
    step = tf.cast(step, seed.dtype)

    def draw(example_seed):
        return tf.random.stateless_uniform(
            [], tf.stack([example_seed, step]), alg=tf.random.Algorithm.PHILOX
        )

    return tf.map_fn(draw, seed, fn_output_signature=tf.float32)


def uniform_volume_per_example(seed, step, shape):
    """As `normal_per_example`, for uniform numbers.

    Args:
        seed: int of shape [batch].
        step: int scalar.
        shape: shape of the numbers, [batch, ...], list or int tensor.

    Returns:
        float32 tensor of that shape, in [0, 1).
    """
    shape = tf.convert_to_tensor(shape)

    def draw(example_seed):
        return tf.random.stateless_uniform(
            shape[1:], tf.stack([example_seed, step]), alg=tf.random.Algorithm.PHILOX
        )

    numbers = tf.map_fn(draw, seed, fn_output_signature=tf.float32)
    return tf.reshape(numbers, shape)


def initial_noise(seed, shape):
    """Draws x_T, where sampling starts.

    Args:
        seed: as in `normal_per_example`. The reverse steps may use the same one.
        shape: shape of x_T, [batch, ...].

    Returns:
        float32 tensor of that shape.
    """
    return normal_per_example(seed, _INITIAL_STEP, shape)
